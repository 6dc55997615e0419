"""Pages: templates, translations, static files, and what turns them into answers. It knows no subject."""
