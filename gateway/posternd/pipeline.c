/* pipeline: where what the sessions see becomes what the queue holds.
   Everything here fails open: mail never waits for it, and what is lost is
   counted. */
#include "posternd/pipeline.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "inspect/inspector.h"
#include "lib/metrics.h"
#include "lib/strbuf.h"
#include "lib/xalloc.h"
#include "posternd/message_memory.h"
#include "posternd/submission.h"
#include "queue/publisher.h"
#include "queue/redis_address.h"

/* Messages remembered as inspected: 2 MiB. */
#define MEMORY_SLOTS (256 * 1024)
/* In a key: only the headers were seen. Not the lowest bits, which choose the
   place. */
#define HEADERS_ONLY   (UINT64_C(1) << 63)
#define EVENT_KEY_SIZE 32
/* Bytes of a contact's JSON. */
#define JSON_USUAL     640
#define DRAIN_CHECK_MS 50
#define DRAIN_CHECKS   100

static_assert(METRIC_SKIPPED_UNDECIDED - METRIC_SKIPPED_OUT_OF_SCOPE ==
		      SKIP_UNDECIDED - SKIP_OUT_OF_SCOPE,
	      "a metric for each skip reason, in their order");

struct pipeline {
	struct settings *settings;
	struct event_base *base;
	struct inspector_pool *inspectors;
	struct publisher *publisher;
	struct message_memory *memory;
	struct event *drain_timer;
	unsigned int drain_checks;
	void (*drain_done)(void *context);
	void *drain_context;
};

static struct pipeline *the_pipeline;

/* A message on its way through the inspector: what its session knew of it,
   because the session may be gone when the answer comes. */
struct passage {
	struct pipeline *pipeline;
	char session_id[SESSION_ID_SIZE];
	uint32_t uid;
	/* Keeps the organization alive over a reload. */
	struct settings *settings;
	const struct organization *organization;
	char *mailbox;
	enum folder_role folder;
	enum record_evidence evidence;
};

/* -- from answer to record -- */

static void passage_destroy(struct passage *passage)
{
	settings_unref(&passage->settings);
	free(passage->mailbox);
	free(passage);
}

static const char *name_source_text(const struct contact *contact)
{
	static const struct {
		unsigned int bit;
		const char *text;
	} rows[] = {
		{ CONTACT_SOURCE_SIGNATURE, "signature" },
		{ CONTACT_SOURCE_VCARD, "vcard" },
		{ CONTACT_SOURCE_CALENDAR, "calendar" },
		{ CONTACT_SOURCE_HEADER, "header" },
		{ CONTACT_SOURCE_ENVELOPE, "envelope" },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		if ((contact->name_source & rows[i].bit) != 0) {
			return rows[i].text;
		}
	}
	return "";
}

/* The message's name in records. Without Message-ID its header's digest. */
static struct span message_name(const struct inspector_answer *answer,
				char digest[HASH_HEX_SIZE])
{
	if (answer->message_id.len > 0) {
		return answer->message_id;
	}
	hash_hex(span_of(answer->header_sha256, HASH_SHA256_SIZE), digest);
	return span_str(digest);
}

/* The contacts as a record has them; their JSON is one text, which is
   returned and which they borrow from. */
static struct strbuf write_contacts(const struct contact_list *list,
				    struct record_contact *contacts_r)
{
	struct strbuf json = STRBUF_INIT(RECORD_PAYLOAD_MAX);
	size_t from = 0;

	strbuf_reserve(&json, list->count * JSON_USUAL);
	/* First all lengths: the text moves while it grows. */
	for (size_t i = 0; i < list->count; i++) {
		const struct contact *contact = &list->items[i];

		contact_add_json(contact, &json);
		contacts_r[i] = (struct record_contact){
			.json = { .len = json.len - from },
			.name_source = span_str(name_source_text(contact)),
		};
		from = json.len;
	}
	from = 0;
	for (size_t i = 0; i < list->count; i++) {
		contacts_r[i].json.ptr = json.ptr + from;
		from += contacts_r[i].json.len;
	}
	return json;
}

static void publish(const struct passage *passage,
		    const struct inspector_answer *answer)
{
	const struct contact_list *list = answer->contacts;
	struct record_contact *contacts =
		xcalloc(list->count, sizeof(*contacts));
	struct strbuf json = write_contacts(list, contacts);
	char digest[HASH_HEX_SIZE];
	struct record record = {
		.organization = span_str(passage->organization->name),
		.mailbox = span_str(passage->mailbox),
		.message_id = message_name(answer, digest),
		.evidence = passage->evidence,
		/* As the message says: one's own mail is outgoing in every
		   folder. */
		.direction = answer->direction == MESSAGE_OUTGOING
				     ? RECORD_OUTGOING
				     : RECORD_INCOMING,
		.folder = passage->folder,
		.seen_at = record_seen_at(answer->date, time(NULL)),
		.contacts = contacts,
		.contact_count = list->count,
	};

	snprintf(record.organization_id, sizeof(record.organization_id), "%s",
		 passage->organization->id);
	publisher_publish(passage->pipeline->publisher, &record);
	strbuf_finish(&json);
	free(contacts);
}

/* For `postern trace`: what became of a message, and nothing of it. */
static void trace_answer(const struct passage *passage,
			 const struct inspector_answer *answer)
{
	struct log_quote mailbox;

	log_debug("session=%s mailbox=%s inspected folder=%s uid=%u "
		  "evidence=%s reason=%s contacts=%zu",
		  passage->session_id,
		  log_quote(span_str(passage->mailbox), &mailbox),
		  folder_role_name(passage->folder), passage->uid,
		  record_evidence_name(passage->evidence),
		  skip_reason_name(answer->reason), answer->contacts->count);
}

static void on_answer(void *context, const struct inspector_answer *answer)
{
	struct passage *passage = context;

	metric_add(METRIC_INSPECTED, 1);
	trace_answer(passage, answer);
	if (answer->reason != SKIP_NONE) {
		metric_add((enum metric)(METRIC_SKIPPED_OUT_OF_SCOPE +
					 answer->reason - SKIP_OUT_OF_SCOPE),
			   1);
	} else if (answer->contacts->count > 0) {
		metric_add(METRIC_CONTACTS, answer->contacts->count);
		publish(passage, answer);
	}
	passage_destroy(passage);
}

/* -- from session to inspector -- */

/* Return whether the inspectors took it. */
static bool inspect(struct pipeline *p, struct session *s,
		    const struct tap_source *source, struct span bytes)
{
	const struct session_route *route = session_route(s);
	const struct organization *organization = route->organization;
	struct message_origin origin = {
		.mailbox = span_str(session_mailbox(s)),
		.folder = source->folder,
		.folder_in_scope = source->folder_in_scope,
		.direction =
			source->outgoing ? MESSAGE_OUTGOING : MESSAGE_INCOMING,
		.flags = source->flags,
		.envelope_from = source->envelope_from,
		.has_envelope = source->envelope_rcpts.ptr != NULL,
		.envelope_rcpts = source->envelope_rcpts,
		.own_domains = &organization->domains,
		.region = span_str(organization->region),
		.truncated = source->truncated,
	};
	struct passage *passage = xcalloc(1, sizeof(*passage));

	passage->pipeline = p;
	passage->settings =
		settings_ref((struct settings *)(uintptr_t)session_settings(s));
	passage->organization = organization;
	snprintf(passage->session_id, sizeof(passage->session_id), "%s",
		 session_id(s));
	passage->uid = source->uid;
	passage->mailbox = xstrdup(session_mailbox(s));
	passage->folder = source->folder;
	passage->evidence = source->headers_only ? RECORD_HEADER : RECORD_BODY;
	metric_add(METRIC_TAPPED, 1);
	if (source->truncated) {
		metric_add(METRIC_TAP_TRUNCATED, 1);
	}
	if (!inspector_ask(p->inspectors, &origin, bytes, on_answer, passage)) {
		/* Counted there. */
		passage_destroy(passage);
		return false;
	}
	return true;
}

/* Does what this session carries teach anybody anything? */
static bool is_inspected(const struct session *s)
{
	const struct session_route *route = session_route(s);

	return route != NULL && route->inspect && route->organization != NULL;
}

/* A message first seen by its headers is worth its body later, so the two
   are remembered apart. */
static uint64_t memory_key(const struct pipeline *p, const struct session *s,
			   const struct tap_source *source)
{
	return message_memory_key(p->memory, span_str(session_mailbox(s)),
				  source->folder_name, source->uidvalidity,
				  source->uid);
}

static bool has_key(const struct tap_source *source)
{
	return source->uid != 0 && source->uidvalidity != 0;
}

/* Has all that it can teach been asked already? Its whole content teaches
   what its headers would. */
static bool is_known(const struct pipeline *p, const struct session *s,
		     const struct tap_source *source)
{
	uint64_t key;

	if (!has_key(source)) {
		return false;
	}
	key = memory_key(p, s, source);
	return message_memory_has(p->memory, key) ||
	       (source->headers_only &&
		message_memory_has(p->memory, key ^ HEADERS_ONLY));
}

static bool on_wants_message(struct session *s, const struct tap_source *source)
{
	const struct pipeline *p = the_pipeline;

	if (!is_inspected(s)) {
		return false;
	}
	if (is_known(p, s, source)) {
		metric_add(METRIC_TAP_KNOWN, 1);
		return false;
	}
	if (inspector_pool_is_full(p->inspectors)) {
		/* Not copied in vain. */
		metric_add(METRIC_INSPECTOR_OVERFLOW, 1);
		return false;
	}
	return true;
}

static void on_message(struct session *s, const struct tap_source *source,
		       struct span bytes)
{
	struct pipeline *p = the_pipeline;
	struct tap_source header = *source;

	if (!is_inspected(s)) {
		return;
	}
	if (is_known(p, s, source)) {
		metric_add(METRIC_TAP_KNOWN, 1);
		return;
	}
	if (source->envelope_rcpts.ptr != NULL) {
		/* Submitted: see submission.h. */
		header.headers_only = true;
		bytes = message_header_block(bytes);
	}
	/* What was refused may be asked again. */
	if (inspect(p, s, &header, bytes) && has_key(source)) {
		message_memory_add(
			p->memory,
			memory_key(p, s, source) ^
				(source->headers_only ? HEADERS_ONLY : 0));
	}
}

/* -- transactions -- */

static void forget_submission(struct session *s)
{
	struct submission *submission = session_context(s);

	submission_destroy(&submission);
	session_set_context(s, NULL);
}

/* There are no rules yet that need the content, but whoever runs the gateway
   may want no message to begin its way before it is here whole. */
static bool judges_transaction(struct session *s)
{
	return session_settings(s)->message.hold_until_complete;
}

/* The shape of the policy without rules: every message is relayed, and what
   it teaches waits for the provider's final reply. */
static void on_transaction(struct session *s,
			   const struct transaction_view *view,
			   transaction_answer *answer)
{
	forget_submission(s);
	if (is_inspected(s)) {
		session_set_context(
			s, submission_create(
				   view,
				   session_settings(s)->message.max_tap_bytes));
	}
	answer(s, VERDICT_RELAY, NULL);
}

static void on_transaction_done(struct session *s, bool accepted)
{
	const struct submission *submission = session_context(s);

	if (submission != NULL && accepted) {
		struct tap_source source = submission_source(submission);

		inspect(the_pipeline, s, &source,
			submission_header(submission));
	}
	forget_submission(s);
}

/* -- logins -- */

static struct span domain_of(struct span login)
{
	for (size_t i = login.len; i-- > 0;) {
		if (login.ptr[i] == '@') {
			return span_from(login, i + 1);
		}
	}
	return span_of(NULL, 0);
}

static const struct provider *
choose_provider(const struct settings *settings,
		const struct listener_settings *listener,
		const struct organization *organization)
{
	const char *names[] = {
		organization == NULL ? NULL : organization->provider,
		listener->provider,
		settings->default_provider,
	};

	for (size_t i = 0; i < N_ELEMENTS(names); i++) {
		if (names[i] != NULL) {
			return settings_provider(settings, names[i]);
		}
	}
	/* One alone needs no naming. */
	return settings->provider_count == 1 ? &settings->providers[0] : NULL;
}

static int on_route(struct session *s, const struct credential *credential,
		    struct session_route *route_r, struct error *err_r)
{
	const struct settings *settings = session_settings(s);
	struct span domain = domain_of(strbuf_span(&credential->user));
	const struct organization *organization =
		settings_organization(settings, domain);

	*route_r = (struct session_route){
		.organization = organization,
		.inspect = organization != NULL && organization->inspect,
		.provider = choose_provider(settings, session_listener(s),
					    organization),
	};
	if (organization == NULL && !settings->carry_unknown_organizations) {
		return error_set(err_r, "no organization has this domain");
	}
	if (route_r->provider == NULL) {
		return error_set(err_r, "no provider for this login: set "
					"default_provider");
	}
	return 0;
}

const struct session_hooks *pipeline_hooks(void)
{
	static const struct session_hooks hooks = {
		.on_route = on_route,
		.wants_message = on_wants_message,
		.on_message = on_message,
		.judges_transaction = judges_transaction,
		.on_transaction = on_transaction,
		.on_transaction_done = on_transaction_done,
		.on_close = forget_submission,
	};

	return &hooks;
}

/* -- life -- */

static int read_event_key(const char *path, unsigned char key_r[EVENT_KEY_SIZE],
			  struct error *err_r)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0) {
		return error_set(err_r,
				 "event_key_file %s: %s; `postern init` makes "
				 "one, and all machines need the same",
				 path, strerror(errno));
	}
	len = read(fd, key_r, EVENT_KEY_SIZE);
	close(fd);
	if (len != EVENT_KEY_SIZE) {
		return error_set(err_r,
				 "event_key_file %s: shorter than %d "
				 "bytes",
				 path, EVENT_KEY_SIZE);
	}
	return 0;
}

int pipeline_check(const struct settings *settings, struct error *err_r)
{
	unsigned char key[EVENT_KEY_SIZE];
	struct redis_address redis;
	int status = read_event_key(settings->queue.event_key_file, key, err_r);

	if (status == 0) {
		status = redis_address_parse(settings->queue.redis, &redis,
					     err_r);
	}
	explicit_bzero(key, sizeof(key));
	return status;
}

static int start_publisher(struct pipeline *p, struct publisher_stats *stats,
			   struct error *err_r)
{
	const struct queue_settings *queue = &p->settings->queue;
	unsigned char key[EVENT_KEY_SIZE];

	if (read_event_key(queue->event_key_file, key, err_r) < 0) {
		return -1;
	}
	p->publisher = publisher_create(
		p->base,
		&(struct publisher_settings){
			.redis = queue->redis,
			.partitions = queue->partitions,
			.journal_dir = queue->journal_dir,
			.journal_max_bytes = queue->journal_max_bytes,
			.event_key = span_of(key, sizeof(key)),
			.connect_timeout_ms = PUBLISHER_CONNECT_TIMEOUT_MS,
			.command_timeout_ms = PUBLISHER_COMMAND_TIMEOUT_MS,
		},
		stats, err_r);
	explicit_bzero(key, sizeof(key));
	return p->publisher == NULL ? -1 : 0;
}

static struct inspector_options
inspector_options(const struct inspector_settings *settings)
{
	return (struct inspector_options){
		.program = settings->program,
		.processes = settings->processes_per_worker,
		.deadline_ms = settings->deadline_ms,
		.max_messages = settings->max_messages,
	};
}

struct pipeline *pipeline_create(struct event_base *base,
				 struct settings *settings,
				 struct publisher_stats *stats,
				 struct error *err_r)
{
	struct inspector_options options =
		inspector_options(&settings->inspector);
	struct pipeline *p = xcalloc(1, sizeof(*p));

	assert(the_pipeline == NULL);
	p->base = base;
	p->settings = settings_ref(settings);
	p->memory = message_memory_create(MEMORY_SLOTS);
	p->inspectors = inspector_pool_create(base, &options, err_r);
	if (p->inspectors == NULL || start_publisher(p, stats, err_r) < 0) {
		pipeline_destroy(&p);
		return NULL;
	}
	the_pipeline = p;
	return p;
}

void pipeline_destroy(struct pipeline **pipeline)
{
	struct pipeline *p = *pipeline;

	*pipeline = NULL;
	if (p == NULL) {
		return;
	}
	the_pipeline = NULL;
	if (p->drain_timer != NULL) {
		event_free(p->drain_timer);
	}
	inspector_pool_destroy(&p->inspectors);
	publisher_destroy(&p->publisher);
	message_memory_destroy(&p->memory);
	settings_unref(&p->settings);
	free(p);
}

void pipeline_reload(struct pipeline *pipeline, struct settings *settings)
{
	struct inspector_options options =
		inspector_options(&settings->inspector);

	settings_unref(&pipeline->settings);
	pipeline->settings = settings_ref(settings);
	inspector_pool_set_options(pipeline->inspectors, &options);
}

static void on_drain_timer(evutil_socket_t fd, short what, void *context)
{
	static const struct timeval pause = { .tv_usec =
						      DRAIN_CHECK_MS * 1000 };
	struct pipeline *p = context;
	bool idle = inspector_pool_is_idle(p->inspectors) &&
		    publisher_is_idle(p->publisher);

	(void)fd;
	(void)what;
	if (idle || p->drain_checks++ >= DRAIN_CHECKS) {
		p->drain_done(p->drain_context);
		return;
	}
	evtimer_add(p->drain_timer, &pause);
}

void pipeline_drain(struct pipeline *pipeline, void (*done)(void *context),
		    void *context)
{
	static const struct timeval soon = { 0 };

	pipeline->drain_done = done;
	pipeline->drain_context = context;
	pipeline->drain_timer =
		evtimer_new(pipeline->base, on_drain_timer, pipeline);
	evtimer_add(pipeline->drain_timer, &soon);
}
