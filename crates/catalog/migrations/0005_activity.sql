-- Who changed what of a project. detail: JSON of name, short_id and the list of changes.
CREATE TABLE activity (
    id TEXT PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    item_id TEXT NOT NULL,
    activity TEXT NOT NULL,
    user_id BIGINT REFERENCES users (id) ON DELETE SET NULL,
    detail TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX activity_of_project ON activity (project_id, created_at, id);
CREATE INDEX activity_of_item ON activity (project_id, scope, item_id, created_at);
