"""What on this machine would let the daemon work, what not, and what to do about it."""
