"""Files of the kernel: read again and again, or once; lists of cores."""
