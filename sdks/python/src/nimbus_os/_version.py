"""The version of this library, from which the package takes its own."""

VERSION = "0.1.0"
