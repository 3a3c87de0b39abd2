"""Record on this machine: real programs, the kernel's knobs, real temperatures."""
