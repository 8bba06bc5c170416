"""Builder of the documentation site: what `mkdocs.yml` cannot say."""
