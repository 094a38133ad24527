"""What issuers say of sealing certificates, and timestamps over the seals: collected, kept, put into evidence."""
