-- Documents: PDFs, pictures and links on items. What a file holds lies in the document store under its SHA-256.
-- depends: 0008.merging

CREATE TABLE document (
    id           INTEGER PRIMARY KEY,
    item_id      BIGINT NOT NULL REFERENCES item (id),
    kind         TEXT NOT NULL CHECK (kind IN ('pdf', 'image', 'link')),
    name         TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    url          TEXT CHECK (length(url) <= 2000 AND (url LIKE 'http://%' OR url LIKE 'https://%')),
    content_type TEXT CHECK (content_type IN ('application/pdf', 'image/png', 'image/jpeg', 'image/webp')),
    size_bytes   BIGINT CHECK (size_bytes > 0),
    sha256       TEXT CHECK (length(sha256) = 64 AND ltrim(sha256, '0123456789abcdef') = ''),
    width        BIGINT CHECK (width > 0),
    height       BIGINT CHECK (height > 0),
    created_at   TIMESTAMPTZ NOT NULL,
    updated_at   TIMESTAMPTZ NOT NULL,
    CONSTRAINT document__link_or_file
        CHECK ((kind = 'link' AND url IS NOT NULL AND content_type IS NULL AND size_bytes IS NULL AND sha256 IS NULL)
               OR (kind <> 'link' AND url IS NULL AND content_type IS NOT NULL AND size_bytes IS NOT NULL
                   AND sha256 IS NOT NULL AND (kind = 'pdf') = (content_type = 'application/pdf'))),
    CONSTRAINT document__no_nul
        CHECK (length(name || coalesce(url, '') || '.') = length(name) + length(coalesce(url, '')) + 1)
);
CREATE INDEX document_by_item ON document (item_id);
CREATE INDEX document_by_content ON document (sha256) WHERE sha256 IS NOT NULL;

-- Content in the store that no document has: since when that is known, and whether it is being deleted. Of this
-- service and not of the data: a restore forgets it, so that what the data of before needs is kept as long again.
CREATE TABLE orphan_content (
    sha256    TEXT PRIMARY KEY CHECK (length(sha256) = 64 AND ltrim(sha256, '0123456789abcdef') = ''),
    seen_at   TIMESTAMPTZ NOT NULL,
    doomed_at TIMESTAMPTZ
);
