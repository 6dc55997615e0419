"""The intranet website (clause 4.1.1): static pages on S3, rendered from the records and from nothing else.

`entry` is what an index needs to know of an item, `sections` the site's plan, `render` and `feeds` turn
entries into bytes, `site` puts the bytes in their place.
"""
