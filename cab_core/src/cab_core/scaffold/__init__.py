"""Texts of new plugin packages, for ``cab new``. Nothing of the kernel is imported here."""
