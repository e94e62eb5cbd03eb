"""A local page where one drops a picture: what each detector says of it, and what its file says."""
