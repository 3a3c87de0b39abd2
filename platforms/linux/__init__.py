"""The board that this machine is: Linux's own interfaces for frequencies, heat and processes."""
