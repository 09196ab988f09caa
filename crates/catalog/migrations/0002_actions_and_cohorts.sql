-- Actions and cohorts: what people of a project name, to be asked for again. Deleted ones stay, so that what refers to them can say so.

INSERT INTO sequences (name, next) VALUES ('action', 1), ('cohort', 1);

-- steps: JSON list of {event, url, url_matching, selector, tag_name, text, text_matching, href, href_matching, properties}
CREATE TABLE actions (
    id BIGINT PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    tags TEXT NOT NULL,
    steps TEXT NOT NULL,
    post_to_slack BOOLEAN NOT NULL,
    slack_message_format TEXT NOT NULL,
    pinned_at BIGINT,
    deleted BOOLEAN NOT NULL,
    created_by BIGINT REFERENCES users (id) ON DELETE SET NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX actions_of_project ON actions (project_id);

-- filters: JSON, the tree of criteria; query: JSON or null, what a static cohort was filled from
CREATE TABLE cohorts (
    id BIGINT PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    filters TEXT NOT NULL,
    query TEXT NOT NULL,
    is_static BOOLEAN NOT NULL,
    deleted BOOLEAN NOT NULL,
    counted BIGINT,
    last_calculation BIGINT,
    errors_calculating BIGINT NOT NULL,
    created_by BIGINT REFERENCES users (id) ON DELETE SET NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX cohorts_of_project ON cohorts (project_id);

-- Members of static cohorts. The distinct id leads to the person when the person was merged into another one.
CREATE TABLE cohort_members (
    cohort_id BIGINT NOT NULL REFERENCES cohorts (id) ON DELETE CASCADE,
    person_id TEXT NOT NULL,
    distinct_id TEXT NOT NULL,
    PRIMARY KEY (cohort_id, person_id)
);
