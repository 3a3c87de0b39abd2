"""What ilgov changes on the machine, the undo on disk before, and how it is put back."""
