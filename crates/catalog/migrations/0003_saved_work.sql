-- What people make of a project's numbers: annotations (kind 1), insights (2), dashboards (3), exports (4). `document` is the JSON object of the fields that
-- clients read and write; what the server itself looks at has columns.

INSERT INTO sequences (name, next) VALUES ('annotation', 1), ('insight', 1), ('dashboard', 1), ('export', 1);

CREATE TABLE works (
    kind SMALLINT NOT NULL,
    id BIGINT NOT NULL,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    short_id TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL,
    deleted BOOLEAN NOT NULL,
    created_by BIGINT REFERENCES users (id) ON DELETE SET NULL,
    last_modified_by BIGINT REFERENCES users (id) ON DELETE SET NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);

-- Links by which anybody may see one thing. A link that was turned off keeps its token.
CREATE TABLE shared_links (
    token TEXT PRIMARY KEY,
    kind SMALLINT NOT NULL,
    work_id BIGINT NOT NULL,
    enabled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (kind, work_id),
    FOREIGN KEY (kind, work_id) REFERENCES works (kind, id) ON DELETE CASCADE
);

-- What people say of an event or a property: JSON of description, tags, verified, hidden and the like.
CREATE TABLE definition_notes (
    definition_id TEXT PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    notes TEXT NOT NULL
);
