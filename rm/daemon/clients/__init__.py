"""The daemon's socket: who may connect, ask and be granted what."""
