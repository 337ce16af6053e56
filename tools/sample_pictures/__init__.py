"""Draw the sample pictures of the README and the tests, one function a picture."""
