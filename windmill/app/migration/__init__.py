"""Job files out of the files of other schedulers. Readers are pure: text in; what it means, and what is lost, out."""
