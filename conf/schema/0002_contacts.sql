-- Organizations, their mailboxes, and the contacts their mail showed.
--
-- Row level security decides by the setting postern.organization_id, which a
-- transaction sets for itself alone. NULLIF, because a setting that was made
-- in an earlier transaction of the connection reads as '' and not as NULL.
-- Every key and every foreign key begins with organization_id: unique and
-- foreign keys are checked without regard to row level security, so a key
-- that could meet another organization's row would tell that it is there.

SET LOCAL ROLE postern_owner;

CREATE FUNCTION postern.current_organization() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('postern.organization_id', true), '')::uuid;
GRANT EXECUTE ON FUNCTION postern.current_organization()
	TO postern_gateway, postern_writer, postern_console;

CREATE TABLE postern.organization (
	organization_id uuid PRIMARY KEY,
	name text NOT NULL CHECK (name <> ''),
	created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE postern.mailbox (
	organization_id uuid NOT NULL
		REFERENCES postern.organization (organization_id),
	mailbox_id bigint GENERATED ALWAYS AS IDENTITY,
	address text COLLATE "C" NOT NULL CHECK (address <> ''),
	created_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (organization_id, mailbox_id),
	UNIQUE (organization_id, address)
);

-- One row a person. name, title, company and postal_address are the winners
-- among contact_field, kept by file_sightings.
CREATE TABLE postern.contact (
	organization_id uuid NOT NULL
		REFERENCES postern.organization (organization_id),
	contact_id bigint GENERATED ALWAYS AS IDENTITY,
	email text COLLATE "C" NOT NULL CHECK (email LIKE '%@%'),
	name text,
	title text,
	company text,
	postal_address text,
	first_seen timestamptz NOT NULL,
	last_seen timestamptz NOT NULL,
	sighting_count bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (organization_id, contact_id),
	UNIQUE (organization_id, email)
) WITH (fillfactor = 80);
COMMENT ON COLUMN postern.contact.sighting_count IS
	'From how many messages.';

-- One row a message and contact. No content of the message: it is known by
-- an HMAC of mailbox and Message-ID alone. It has one index and no second that
-- begins alike: with two, a new table's empty statistics made the check of
-- contact_field's foreign key read all sightings of a contact for each value.
CREATE TABLE postern.sighting (
	organization_id uuid NOT NULL,
	message_ref bytea NOT NULL CHECK (length(message_ref) = 32),
	contact_id bigint NOT NULL,
	mailbox_id bigint NOT NULL,
	direction text NOT NULL CHECK (direction IN ('in', 'out')),
	role text NOT NULL CHECK (role IN ('author', 'recipient', 'mentioned')),
	folder text NOT NULL,
	evidence text NOT NULL CHECK (evidence IN ('header', 'body')),
	sources smallint NOT NULL CHECK (sources BETWEEN 1 AND 31),
	confidence real NOT NULL CHECK (confidence BETWEEN 0 AND 1),
	seen_at timestamptz NOT NULL,
	PRIMARY KEY (organization_id, contact_id, message_ref),
	FOREIGN KEY (organization_id, contact_id)
		REFERENCES postern.contact (organization_id, contact_id),
	FOREIGN KEY (organization_id, mailbox_id)
		REFERENCES postern.mailbox (organization_id, mailbox_id)
);
COMMENT ON COLUMN postern.sighting.sources IS
	'Bits: 1 header, 2 signature, 4 vcard, 8 calendar, 16 envelope.';
-- Every value that messages gave for a contact, with when it was first and
-- last confirmed, and by which sighting last. Nothing is overwritten: the
-- newest value of the best source is the one contact shows.
CREATE TABLE postern.contact_field (
	organization_id uuid NOT NULL,
	contact_id bigint NOT NULL,
	kind text COLLATE "C" NOT NULL CHECK (kind IN ('name', 'title',
		'company', 'postal_address', 'phone', 'url')),
	source text COLLATE "C" NOT NULL CHECK (source IN ('header',
		'signature', 'vcard', 'calendar', 'envelope')),
	value text COLLATE "C" NOT NULL
		CHECK (length(value) BETWEEN 1 AND 1100),
	label text NOT NULL DEFAULT '',
	confidence real NOT NULL CHECK (confidence BETWEEN 0 AND 1),
	first_seen timestamptz NOT NULL,
	last_seen timestamptz NOT NULL,
	message_ref bytea NOT NULL,
	rank smallint NOT NULL GENERATED ALWAYS AS (CASE source
		WHEN 'signature' THEN 4 WHEN 'vcard' THEN 3
		WHEN 'calendar' THEN 2 WHEN 'header' THEN 1 ELSE 0 END) STORED,
	PRIMARY KEY (organization_id, contact_id, kind, source, value),
	FOREIGN KEY (organization_id, contact_id, message_ref)
		REFERENCES postern.sighting
			(organization_id, contact_id, message_ref)
) WITH (fillfactor = 80);
COMMENT ON COLUMN postern.contact_field.value IS
	'A phone is written as in RFC 3966: +4989123456;ext=12.';
COMMENT ON COLUMN postern.contact_field.label IS
	'Of a phone: work, mobile, fax, home, pager, other.';

-- Records that were filed. The same record again finds itself here and
-- changes nothing.
CREATE TABLE postern.event (
	organization_id uuid NOT NULL
		REFERENCES postern.organization (organization_id),
	event_id bytea NOT NULL CHECK (length(event_id) = 32),
	applied_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (organization_id, event_id)
);

DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['organization', 'mailbox', 'contact',
			'sighting', 'contact_field', 'event'] LOOP
		EXECUTE format('ALTER TABLE postern.%I ENABLE ROW LEVEL SECURITY',
			name);
		EXECUTE format('ALTER TABLE postern.%I FORCE ROW LEVEL SECURITY',
			name);
		EXECUTE format('CREATE POLICY own_organization ON postern.%I '
			'USING (organization_id = nullif(current_setting('
			'''postern.organization_id'', true), '''')::uuid) '
			'WITH CHECK (organization_id = nullif(current_setting('
			'''postern.organization_id'', true), '''')::uuid)',
			name);
	END LOOP;
END
$$;

-- What each program may do. Nobody but the owner may TRUNCATE, which row
-- level security does not stop, and nobody deletes.
GRANT SELECT ON postern.organization, postern.mailbox TO postern_gateway;
GRANT SELECT, INSERT ON postern.organization, postern.mailbox, postern.event
	TO postern_writer;
GRANT SELECT, INSERT, UPDATE ON postern.contact, postern.sighting,
	postern.contact_field TO postern_writer;
GRANT SELECT ON postern.organization, postern.mailbox, postern.contact,
	postern.sighting, postern.contact_field TO postern_console;

-- A contact with everything one would print on a card.
CREATE VIEW postern.contact_card WITH (security_invoker = on) AS
SELECT c.organization_id, c.contact_id, c.email, c.name, c.title, c.company,
	c.postal_address, c.first_seen, c.last_seen, c.sighting_count,
	coalesce((SELECT jsonb_agg(jsonb_build_object('number', p.value,
			'kind', p.label) ORDER BY p.last_seen DESC, p.value)
		FROM (SELECT DISTINCT ON (f.value) f.value, f.label, f.last_seen
			FROM postern.contact_field f
			WHERE f.organization_id = c.organization_id
			AND f.contact_id = c.contact_id AND f.kind = 'phone'
			ORDER BY f.value, f.rank DESC, f.last_seen DESC) p),
		'[]') AS phones,
	coalesce((SELECT jsonb_agg(u.value ORDER BY u.last_seen DESC, u.value)
		FROM (SELECT f.value, max(f.last_seen) AS last_seen
			FROM postern.contact_field f
			WHERE f.organization_id = c.organization_id
			AND f.contact_id = c.contact_id AND f.kind = 'url'
			GROUP BY f.value) u), '[]') AS urls
FROM postern.contact c;
GRANT SELECT ON postern.contact_card TO postern_console;
