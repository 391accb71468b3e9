"""Off-site copies of stored backups: in S3-compatible buckets and in directories such as a mounted share."""
