"""Files that go with a publication request: uploaded straight to S3, checked before use, kept with what used them."""
