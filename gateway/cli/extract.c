/* postern extract: the contacts one message teaches, judged and extracted by
   the inspector's own code. */
#include "cli/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fcntl.h>

#include "filters/contacts.h"
#include "filters/filter.h"
#include "inspect/inspect.h"
#include "lib/strbuf.h"

/* As the gateway's own limit for one message. */
#define MESSAGE_MAX (64u * 1024 * 1024)

static const char usage[] =
	"usage: postern extract [OPTION ...] [FILE ...] < message.eml\n"
	"\n"
	"Show the contacts that one message teaches (each FILE is a message).\n"
	"\n"
	"      --json         one JSON object a line\n"
	"      --why          what each filter said, which line a field is "
	"from\n"
	"      --all          what would be taught had no filter skipped it\n"
	"      --mailbox A    address of the mailbox it was seen in\n"
	"      --domain D     a domain of the organization; may be repeated\n"
	"      --region CC    country of the organization, for its numbers\n"
	"      --folder ROLE  inbox sent drafts junk trash archive other "
	"[inbox]\n"
	"      --flags F      IMAP flags, as in \"\\\\Seen $Junk\"\n";

struct extract {
	struct message_origin origin;
	struct domain_set domains;
	bool json;
	bool why;
	bool all;
};

static void print_json_text(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\') {
			printf("\\%c", *text);
		} else if ((unsigned char)*text < ' ') {
			printf("\\u%04x", (unsigned char)*text);
		} else {
			putchar(*text);
		}
	}
	putchar('"');
}

/* Every filter's answer, also of those behind the one that skips. */
static void print_filters(const struct extract *x, const struct message *msg,
			  const struct inspect_answer *answer)
{
	if (x->json) {
		printf("{\"skip\":");
		if (answer->reason == SKIP_NONE) {
			printf("null");
		} else {
			print_json_text(skip_reason_name(answer->reason));
		}
		printf(",\"filters\":[");
	}
	for (size_t i = 0; msg != NULL && i < filters_count; i++) {
		struct filter_note note = { .text = "" };
		enum skip_reason reason =
			filters[i].ask(msg, &x->origin, &note);

		if (x->json) {
			printf("%s{\"filter\":", i == 0 ? "" : ",");
			print_json_text(filters[i].name);
			printf(",\"says\":");
			print_json_text(skip_reason_name(reason));
			printf(",\"note\":");
			print_json_text(note.text);
			putchar('}');
			continue;
		}
		printf("filter  %-14s %s%-14s%s %s\n", filters[i].name,
		       command_colour(reason == SKIP_NONE ? COLOUR_GREEN
							  : COLOUR_YELLOW),
		       reason == SKIP_NONE ? "continue"
					   : skip_reason_name(reason),
		       command_colour(COLOUR_NONE), note.text);
	}
	if (x->json) {
		puts("]}");
	}
}

static const char *const field_names[] = { "name", "title", "company",
					   "postal_address" };

static void print_json(const struct extract *x, const struct contact *c)
{
	char *json = contact_to_json(c);
	bool first = true;

	if (!x->why) {
		puts(json);
		free(json);
		return;
	}
	/* The object without its end, then where the fields are from. */
	printf("%.*s,\"why\":{", (int)strlen(json) - 1, json);
	for (size_t i = 0; i < CONTACT_FIELD_COUNT; i++) {
		if (c->field_origin[i][0] != '\0') {
			printf("%s\"%s\":", first ? "" : ",", field_names[i]);
			print_json_text(c->field_origin[i]);
			first = false;
		}
	}
	puts("}}");
	free(json);
}

static void print_field(const struct extract *x, const char *label,
			const char *value, const char *origin)
{
	if (value == NULL) {
		return;
	}
	printf("  %-9s %s", label, value);
	if (x->why && origin != NULL && origin[0] != '\0') {
		printf("  %s(%s)%s", command_colour(COLOUR_DIM), origin,
		       command_colour(COLOUR_NONE));
	}
	putchar('\n');
}

static void print_human(const struct extract *x, const struct contact *c)
{
	printf("%s%s%s  %s, %s, confidence %.2f\n", command_colour(COLOUR_BOLD),
	       c->email, command_colour(COLOUR_NONE),
	       contact_kind_name(c->kind), contact_role_name(c->role),
	       c->confidence);
	print_field(x, "name", c->name, c->field_origin[CONTACT_FIELD_NAME]);
	print_field(x, "title", c->title, c->field_origin[CONTACT_FIELD_TITLE]);
	print_field(x, "company", c->company,
		    c->field_origin[CONTACT_FIELD_COMPANY]);
	for (size_t i = 0; i < c->phone_count; i++) {
		const struct phone *p = &c->phones[i];

		printf("  %-9s %s%s%s", phone_kind_name(p->kind), p->e164,
		       p->ext == NULL ? "" : " ext. ",
		       p->ext == NULL ? "" : p->ext);
		printf(x->why && p->raw != NULL ? "  (\"%s\")\n" : "\n",
		       p->raw);
	}
	for (size_t i = 0; i < c->url_count; i++) {
		print_field(x, "web", c->urls[i], NULL);
	}
	print_field(x, "address", c->postal_address,
		    c->field_origin[CONTACT_FIELD_POSTAL_ADDRESS]);
}

static void print_answer(const struct extract *x, const char *file,
			 const struct inspect_answer *answer)
{
	if (answer->reason != SKIP_NONE && !x->json) {
		printf("%s%s%steaches nothing: %s%s%s\n",
		       x->all ? "would teach; " : "", file == NULL ? "" : file,
		       file == NULL ? "" : ": ",
		       skip_reason_name(answer->reason),
		       answer->note.text[0] == '\0' ? "" : ", ",
		       answer->note.text);
	} else if (answer->contacts.count == 0 && !x->json) {
		puts("no contacts");
	}
	for (size_t i = 0; i < answer->contacts.count; i++) {
		if (x->json) {
			print_json(x, &answer->contacts.items[i]);
		} else {
			print_human(x, &answer->contacts.items[i]);
		}
	}
}

static int extract_bytes(struct extract *x, const char *file, struct span bytes)
{
	struct inspect_answer answer;
	struct error err = { .text = "" };
	struct message *msg = NULL;

	inspect_message(&x->origin, bytes, &answer);
	if (x->why || x->all) {
		msg = message_create(bytes, &err);
	}
	if (x->why) {
		print_filters(x, msg, &answer);
	}
	if (x->all && msg != NULL && answer.reason != SKIP_NONE) {
		contacts_extract(msg, &x->origin, &answer.contacts);
	}
	print_answer(x, file, &answer);
	message_destroy(&msg);
	inspect_answer_finish(&answer);
	return COMMAND_OK;
}

static int extract_file(struct extract *x, const char *file)
{
	struct strbuf bytes = STRBUF_INIT(MESSAGE_MAX);
	int fd = file == NULL ? STDIN_FILENO : open(file, O_RDONLY);
	char block[65536];
	ssize_t len = -1;
	int result;

	while (fd >= 0 && (len = read(fd, block, sizeof(block))) > 0) {
		strbuf_add(&bytes, span_of(block, (size_t)len));
	}
	if (fd < 0 || len < 0) {
		result = command_fail("extract", "%s: %s",
				      file == NULL ? "standard input" : file,
				      strerror(errno));
	} else if (bytes.overflow || bytes.len == 0) {
		result = command_fail(
			"extract", "%s: %s",
			file == NULL ? "standard input" : file,
			bytes.overflow ? "larger than 64 MiB"
				       : "empty; give a message (RFC 5322)");
	} else {
		result = extract_bytes(x, file, strbuf_span(&bytes));
	}
	if (fd > STDIN_FILENO) {
		close(fd);
	}
	strbuf_finish(&bytes);
	return result;
}

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "why", no_argument, NULL, 'w' },
	{ "all", no_argument, NULL, 'a' },
	{ "mailbox", required_argument, NULL, 'm' },
	{ "domain", required_argument, NULL, 'd' },
	{ "region", required_argument, NULL, 'r' },
	{ "folder", required_argument, NULL, 'f' },
	{ "flags", required_argument, NULL, 'F' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int misused(const char *what, const char *value)
{
	fprintf(stderr, "postern extract: %s \"%s\"\n\n%s", what, value, usage);
	return COMMAND_MISUSED;
}

/* Return -1 to go on, or an exit status. */
static int take_option(struct extract *x, int option)
{
	struct span value = span_str(optarg);

	switch (option) {
	case 'j':
		x->json = true;
		return -1;
	case 'w':
		x->why = true;
		return -1;
	case 'a':
		x->all = true;
		return -1;
	case 'm':
		x->origin.mailbox = value;
		return -1;
	case 'd':
		return domain_set_add(&x->domains, value) < 0
			       ? misused("no domain:", optarg)
			       : -1;
	case 'r':
		if (value.len != 2) {
			return misused("--region wants two letters, not",
				       optarg);
		}
		x->origin.region = value;
		return -1;
	case 'f':
		return folder_role_parse(value, &x->origin.folder) < 0
			       ? misused("no folder role:", optarg)
			       : -1;
	case 'F':
		x->origin.flags = value;
		return -1;
	case 'h':
		fputs(usage, stdout);
		return COMMAND_OK;
	default:
		fputs(usage, stderr);
		return COMMAND_MISUSED;
	}
}

int command_extract(int argc, char **argv)
{
	struct extract x = { .origin.folder = FOLDER_INBOX };
	int status = -1;
	int option;

	while (status < 0 &&
	       (option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		status = take_option(&x, option);
	}
	if (status < 0) {
		x.origin.own_domains = &x.domains;
		x.origin.direction = x.origin.folder == FOLDER_SENT
					     ? MESSAGE_OUTGOING
					     : MESSAGE_INCOMING;
		status = optind == argc ? extract_file(&x, NULL) : COMMAND_OK;
		for (int i = optind; i < argc; i++) {
			int one = extract_file(&x, argv[i]);

			status = one != COMMAND_OK ? one : status;
		}
	}
	domain_set_finish(&x.domains);
	return status;
}
