-- What users may do in the organization (1 member, 8 admin, 15 owner), which project they work in, and invites.
ALTER TABLE users ADD COLUMN level SMALLINT NOT NULL DEFAULT 15;
ALTER TABLE users ADD COLUMN current_project_id BIGINT;

-- Whoever knows the id of an invite may become a user with it, until it expires.
CREATE TABLE invites (
    id TEXT PRIMARY KEY,
    target_email TEXT NOT NULL,
    first_name TEXT NOT NULL,
    level SMALLINT NOT NULL,
    message TEXT,
    created_by BIGINT REFERENCES users (id) ON DELETE SET NULL,
    created_at BIGINT NOT NULL
);
