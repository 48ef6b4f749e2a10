-- Filing of a batch, in one call and few statements.
--
-- Two writers with the same contacts do not meet in a deadlock: each locks
-- mailboxes, then contacts, each in the order of their addresses; sightings
-- and fields belong to contacts that are locked by then.
--
-- Rows are looked up one by one (LATERAL ... LIMIT 1) and updated by ON
-- CONFLICT, never by a join: without statistics, or with one organization much
-- larger than the rest, a joined plan reads all contacts of the organization
-- for each batch, and it is a cached plan.

SET LOCAL ROLE postern_owner;

-- File sightings of the current organization. emails are different and
-- sorted; the s_ arrays are one sighting an element, the f_ arrays one value
-- an element, each with s_contact or f_contact as the position in emails (1 is
-- the first), no two sightings of one message and contact, no two values of
-- one contact, kind and source. Times are seconds since 1970. Returns how many
-- sightings are new.
CREATE FUNCTION postern.file_sightings(
	emails text[],
	s_contact integer[], s_message bytea[], s_mailbox text[],
	s_direction text[], s_role text[], s_folder text[], s_evidence text[],
	s_sources smallint[], s_confidence real[], s_seen bigint[],
	f_contact integer[], f_message bytea[], f_kind text[], f_source text[],
	f_value text[], f_label text[], f_confidence real[],
	f_first bigint[], f_last bigint[]
) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY INVOKER
SET search_path = postern, pg_temp
AS $$
DECLARE
	org uuid := current_organization();
	ids bigint[];
	t_contact bigint[];
	t_position bigint[];
	t_fresh bigint[];
	t_first timestamptz[];
	t_last timestamptz[];
BEGIN
	INSERT INTO mailbox (organization_id, address)
	SELECT org, a.address
	FROM (SELECT DISTINCT unnest(s_mailbox) COLLATE "C" AS address) a
	WHERE (SELECT m.mailbox_id FROM mailbox m
		WHERE m.organization_id = org AND m.address = a.address
		LIMIT 1) IS NULL
	ORDER BY a.address
	ON CONFLICT DO NOTHING;

	-- Times that give way to any other, until the end of this function.
	INSERT INTO contact (organization_id, email, first_seen, last_seen)
	SELECT org, e.email, 'infinity', '-infinity'
	FROM unnest(emails) AS e (email)
	WHERE (SELECT c.contact_id FROM contact c
		WHERE c.organization_id = org AND c.email = e.email
		LIMIT 1) IS NULL
	ORDER BY e.email COLLATE "C"
	ON CONFLICT DO NOTHING;

	-- Locked one by one in the order of emails.
	SELECT array_agg(l.contact_id ORDER BY e.position) INTO ids
	FROM unnest(emails) WITH ORDINALITY AS e (email, position)
	CROSS JOIN LATERAL (SELECT c.contact_id FROM contact c
		WHERE c.organization_id = org AND c.email = e.email
		LIMIT 1 FOR UPDATE) l;
	IF cardinality(ids) IS DISTINCT FROM cardinality(emails) THEN
		RAISE EXCEPTION 'contacts are missing or given twice';
	END IF;

	-- Headers seen first and the body later are one sighting: the second
	-- adds to the first and takes nothing away.
	WITH put AS (
		INSERT INTO sighting AS s (organization_id, message_ref,
			contact_id, mailbox_id, direction, role, folder,
			evidence, sources, confidence, seen_at)
		SELECT org, n.message, ids[n.contact], b.mailbox_id,
			n.direction, n.role, n.folder, n.evidence, n.sources,
			n.confidence, to_timestamp(n.seen)
		FROM unnest(s_contact, s_message, s_mailbox, s_direction,
				s_role, s_folder, s_evidence, s_sources,
				s_confidence, s_seen)
			AS n (contact, message, mailbox, direction, role,
				folder, evidence, sources, confidence, seen)
		CROSS JOIN LATERAL (SELECT m.mailbox_id FROM mailbox m
			WHERE m.organization_id = org
			AND m.address = n.mailbox LIMIT 1) b
		ON CONFLICT (organization_id, contact_id, message_ref)
		DO UPDATE SET
			evidence = CASE WHEN 'body' IN (s.evidence,
				excluded.evidence) THEN 'body' ELSE 'header' END,
			sources = s.sources | excluded.sources,
			confidence = greatest(s.confidence,
				excluded.confidence),
			role = CASE
				WHEN 'author' IN (s.role, excluded.role)
				THEN 'author'
				WHEN 'recipient' IN (s.role, excluded.role)
				THEN 'recipient' ELSE 'mentioned' END
		RETURNING s.contact_id, s.seen_at, s.xmax = 0 AS fresh)
	SELECT array_agg(t.contact_id), array_agg(t.position),
		array_agg(t.fresh), array_agg(t.first), array_agg(t.last)
	INTO t_contact, t_position, t_fresh, t_first, t_last
	FROM (SELECT p.contact_id, p.position,
			count(*) FILTER (WHERE put.fresh) AS fresh,
			min(put.seen_at) AS first, max(put.seen_at) AS last
		FROM put JOIN unnest(ids) WITH ORDINALITY
			AS p (contact_id, position) USING (contact_id)
		GROUP BY p.contact_id, p.position) t;

	INSERT INTO contact_field AS f (organization_id, contact_id, kind,
		source, value, label, confidence, first_seen, last_seen,
		message_ref)
	SELECT org, ids[n.contact], n.kind, n.source, n.value, n.label,
		n.confidence, to_timestamp(n.first), to_timestamp(n.last),
		n.message
	FROM unnest(f_contact, f_message, f_kind, f_source, f_value, f_label,
			f_confidence, f_first, f_last)
		AS n (contact, message, kind, source, value, label,
			confidence, first, last)
	ON CONFLICT (organization_id, contact_id, kind, source, value)
	DO UPDATE SET
		first_seen = least(f.first_seen, excluded.first_seen),
		last_seen = greatest(f.last_seen, excluded.last_seen),
		confidence = greatest(f.confidence, excluded.confidence),
		label = CASE WHEN excluded.last_seen >= f.last_seen
			THEN excluded.label ELSE f.label END,
		message_ref = CASE WHEN excluded.last_seen >= f.last_seen
			THEN excluded.message_ref ELSE f.message_ref END
	WHERE excluded.last_seen >= f.last_seen
		OR excluded.first_seen < f.first_seen
		OR excluded.confidence > f.confidence;

	-- The winner of a kind: best source, then newest, then surest. All
	-- these contacts are there; this never inserts.
	INSERT INTO contact AS c (organization_id, email, first_seen, last_seen,
		sighting_count, name, title, company, postal_address)
	SELECT org, emails[t.position], t.first, t.last, t.fresh, w.name,
		w.title, w.company, w.postal_address
	FROM unnest(t_contact, t_position, t_fresh, t_first, t_last)
		AS t (contact_id, position, fresh, first, last)
	CROSS JOIN LATERAL (
		SELECT max(b.value) FILTER (WHERE b.kind = 'name') AS name,
			max(b.value) FILTER (WHERE b.kind = 'title') AS title,
			max(b.value) FILTER (WHERE b.kind = 'company')
				AS company,
			max(b.value) FILTER (WHERE b.kind = 'postal_address')
				AS postal_address
		FROM (SELECT DISTINCT ON (f.kind) f.kind, f.value
			FROM contact_field f
			WHERE f.organization_id = org
			AND f.contact_id = t.contact_id
			AND f.kind IN ('name', 'title', 'company',
				'postal_address')
			ORDER BY f.kind, f.rank DESC, f.last_seen DESC,
				f.confidence DESC, f.value) b) w
	ON CONFLICT (organization_id, email) DO UPDATE SET
		sighting_count = c.sighting_count + excluded.sighting_count,
		first_seen = least(c.first_seen, excluded.first_seen),
		last_seen = greatest(c.last_seen, excluded.last_seen),
		name = excluded.name, title = excluded.title,
		company = excluded.company,
		postal_address = excluded.postal_address;

	RETURN (SELECT coalesce(sum(n), 0) FROM unnest(t_fresh) AS u (n));
END
$$;
GRANT EXECUTE ON FUNCTION postern.file_sightings(text[], integer[], bytea[],
	text[], text[], text[], text[], text[], smallint[], real[], bigint[],
	integer[], bytea[], text[], text[], text[], text[], real[], bigint[],
	bigint[]) TO postern_writer;
