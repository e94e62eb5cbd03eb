"""A local page where one drops a picture: what each detector says of it, and what its file says."""

PORT = 7860
LOOPBACK = ("127.0.0.1", "localhost", "::1")
