"""What board this machine is: ``ilgov board probe`` finds it out and writes it down."""
