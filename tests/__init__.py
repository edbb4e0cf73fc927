"""A package, so that workers find these modules although a library installs a package `tests`, too."""
