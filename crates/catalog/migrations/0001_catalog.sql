-- The catalog, version 1. Types and statements are those that SQLite and PostgreSQL share:
-- times are microseconds since 1970 UTC, ids are numbers from `sequences` (never reused) or uuids as text, documents are JSON text.

CREATE TABLE sequences (
    name TEXT PRIMARY KEY,
    next BIGINT NOT NULL
);
INSERT INTO sequences (name, next) VALUES ('project', 1), ('user', 1);

CREATE TABLE organizations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE projects (
    id BIGINT PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    api_token TEXT NOT NULL UNIQUE,
    secret_api_token TEXT NOT NULL UNIQUE,
    timezone TEXT NOT NULL,
    week_start_day SMALLINT NOT NULL,
    anonymize_ips BOOLEAN NOT NULL,
    test_account_filters TEXT NOT NULL,
    path_cleaning_filters TEXT NOT NULL,
    ingested_event BOOLEAN NOT NULL,
    settings TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE users (
    id BIGINT PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL UNIQUE,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    password_hash TEXT,
    created_at BIGINT NOT NULL
);

CREATE TABLE personal_api_keys (
    id TEXT PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    label TEXT NOT NULL,
    secret_sha256 TEXT NOT NULL UNIQUE,
    mask TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT
);

CREATE TABLE sessions (
    secret_sha256 TEXT PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE event_definitions (
    id TEXT PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    UNIQUE (project_id, name)
);

-- parent: 1 event, 2 person, 3 group, 4 session; group_type_index is -1 where the parent is not a group
CREATE TABLE property_definitions (
    id TEXT PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    parent SMALLINT NOT NULL,
    group_type_index SMALLINT NOT NULL,
    name TEXT NOT NULL,
    property_type TEXT,
    UNIQUE (project_id, parent, group_type_index, name)
);

CREATE TABLE event_properties (
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    event TEXT NOT NULL,
    property TEXT NOT NULL,
    PRIMARY KEY (project_id, event, property)
);

CREATE TABLE ingestion_warnings (
    id TEXT PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    type TEXT NOT NULL,
    details TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX ingestion_warnings_of_project ON ingestion_warnings (project_id, type, created_at);

-- random salts of calendar days (YYYY-MM-DD) for cookieless ids; removed some days after the day
CREATE TABLE salts (
    day TEXT PRIMARY KEY,
    salt TEXT NOT NULL
);
