"""Training policies that ilgov is compared with: what devices do today, and published systems."""
