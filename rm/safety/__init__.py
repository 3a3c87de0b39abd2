"""What no policy can pass: sensors that are doubted, the failsafe, the states of the governor."""
