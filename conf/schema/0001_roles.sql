-- Roles, the schema, and the record of what was applied.
--
-- Run by `postern db migrate`, as a role that may create roles. Everything in
-- the schema belongs to postern_owner, which nobody can log in as; the three
-- programs each have a role that owns nothing and bypasses nothing.

DO $$
DECLARE
	role text;
BEGIN
	FOREACH role IN ARRAY ARRAY['postern_owner', 'postern_gateway',
			'postern_writer', 'postern_console'] LOOP
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
			EXECUTE format('CREATE ROLE %I NOLOGIN', role);
		END IF;
		IF role <> 'postern_owner' THEN
			EXECUTE format('ALTER ROLE %I LOGIN', role);
			EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I',
				current_database(), role);
		END IF;
	END LOOP;
	-- A superuser may become postern_owner as it is.
	IF NOT pg_has_role('postern_owner', 'MEMBER') THEN
		EXECUTE format('GRANT postern_owner TO %I', current_user);
	END IF;
	-- A temporary table, or one in public, would have no policy.
	EXECUTE format('REVOKE CREATE, TEMPORARY ON DATABASE %I FROM PUBLIC',
		current_database());
END
$$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
CREATE SCHEMA postern AUTHORIZATION postern_owner;

SET LOCAL ROLE postern_owner;

-- Functions are for those who are named, not for PUBLIC.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

GRANT USAGE ON SCHEMA postern
	TO postern_gateway, postern_writer, postern_console;

CREATE TABLE postern.schema_version (
	version integer PRIMARY KEY CHECK (version > 0),
	file text NOT NULL,
	sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
	applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE postern.schema_version IS
	'Which files of conf/schema were applied. Of no organization.';
ALTER TABLE postern.schema_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE postern.schema_version FORCE ROW LEVEL SECURITY;
CREATE POLICY everyone_reads ON postern.schema_version FOR SELECT USING (true);
CREATE POLICY owner_writes ON postern.schema_version FOR INSERT
	TO postern_owner WITH CHECK (true);
GRANT SELECT ON postern.schema_version
	TO postern_gateway, postern_writer, postern_console;
