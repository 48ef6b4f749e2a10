/* imap_relay: what passes is unchanged, what is tapped is right. Rows are
   played whole and in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "script.h"

/* Up to a session with INBOX selected and nothing left unread. */
#define LOGIN                                                                  \
	{ CLIENT, "1 LOGIN u p\r\n" }, { CONNECT, "" },                        \
		{ SERVER, "* OK [CAPABILITY IMAP4rev1] hi\r\n" },              \
		{ TO_SERVER, "P1 LOGIN \"u\" \"p\"\r\n" },                     \
		{ SERVER, "P1 OK [CAPABILITY IMAP4rev1 IDLE] in\r\n" },        \
	{                                                                      \
		TO_CLIENT,                                                     \
			"* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID "      \
			"AUTH=PLAIN "                                          \
			"AUTH=LOGIN AUTH=XOAUTH2 AUTH=OAUTHBEARER] Postern "   \
			"ready.\r\n1 OK [CAPABILITY IMAP4rev1 IDLE] Logged "   \
			"in.\r\n"                                              \
	}

#define BOTH(act, to, text)                                                    \
	{ act, text },                                                         \
	{                                                                      \
		to, text                                                       \
	}
#define FROM_CLIENT(text) BOTH(CLIENT, TO_SERVER, text)
#define FROM_SERVER(text) BOTH(SERVER, TO_CLIENT, text)

#define SELECT(tag, name, validity)                                            \
	FROM_CLIENT(tag " SELECT " name "\r\n"),                               \
		FROM_SERVER("* 3 EXISTS\r\n* OK [UIDVALIDITY " validity        \
			    "] x\r\n" tag " OK [READ-WRITE] x\r\n")

#define INBOX LOGIN, SELECT("2", "INBOX", "77")

static void whole_messages_are_tapped(void **state)
{
	static const struct line rows[] = {
		INBOX,
		FROM_CLIENT("3 UID FETCH 1:4 (BODY.PEEK[])\r\n"),
		FROM_SERVER("* 1 FETCH (UID 10 FLAGS (\\Seen $Junk) BODY[] "
			    "{12}\r\nFrom: a\r\n\r\nx)\r\n"),
		{ TAP, "INBOX 10 [\\Seen $Junk] in|From: a\r\n\r\nx" },
		/* UID and flags behind the content. */
		FROM_SERVER("* 2 FETCH (BODY[] {9}\r\nFrom: b\r\n UID 11 FLAGS "
			    "(\\Draft))\r\n"),
		{ TAP, "INBOX 11 [\\Draft] in|From: b\r\n" },
		/* Without UID: known from before. */
		FROM_SERVER("* 1 FETCH (RFC822 {9}\r\nFrom: c\r\n)\r\n"),
		{ TAP, "INBOX 10 [$Junk] in|From: c\r\n" },
		/* Numbers move down. */
		FROM_SERVER("* 1 EXPUNGE\r\n* 1 FETCH (RFC822 {9}\r\nFrom: d"
			    "\r\n)\r\n"),
		{ TAP, "INBOX 11 [\\Draft] in|From: d\r\n" },
		/* Quoted. */
		FROM_SERVER("* 9 FETCH (UID 5 BODY[] \"From: \\\"e\\\"\")\r\n"
			    "3 OK done\r\n"),
		{ TAP, "INBOX 5 [] in|From: \"e\"" },
		/* UIDONLY. */
		FROM_SERVER("* 25 UIDFETCH (BODY[] {9}\r\nFrom: f\r\n)\r\n"),
		{ TAP, "INBOX 25 [] in|From: f\r\n" },
		/* Nothing to see. */
		FROM_SERVER("* 3 FETCH (UID 12 BODY[] NIL)\r\n"
			    "* 3 FETCH (UID 12 BODY[] {0}\r\n)\r\n"
			    "* 3 FETCH (FLAGS () MODSEQ (7))\r\n"
			    "* 3 FETCH (UID 12 BINARY.SIZE[1] 7 X-GM-LABELS "
			    "(\\Inbox {3}\r\na)b) PREVIEW \"hi (\")\r\n"),
		{ NO_TAP, "" },
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static void flags_are_remembered_for_content_that_comes_later(void **state)
{
	static const struct line rows[] = {
		INBOX,
		FROM_SERVER("* 1 FETCH (UID 10 FLAGS (\\Seen \\Draft))\r\n"
			    "* 2 FETCH (FLAGS ($junk))\r\n"
			    "* 3 FETCH (UID 12 FLAGS (NonJunk))\r\n"
			    "* 2 FETCH (UID 11)\r\n"),
		FROM_SERVER("* 1 FETCH (UID 10 BODY[] \"a\")\r\n"
			    "* 2 FETCH (BODY[] \"b\")\r\n"
			    "* 3 FETCH (UID 12 BODY[] \"c\")\r\n"),
		{ TAP, "INBOX 10 [\\Draft] in|a" },
		{ TAP, "INBOX 11 [$Junk] in|b" },
		{ TAP, "INBOX 12 [] in|c" },
		/* They move, and they end. */
		FROM_SERVER("* 1 EXPUNGE\r\n* 1 FETCH (BODY[] \"b\")\r\n"
			    "* 1 FETCH (FLAGS ())\r\n"
			    "* 1 FETCH (BODY[] \"b\")\r\n"),
		{ TAP, "INBOX 11 [$Junk] in|b" },
		{ TAP, "INBOX 11 [] in|b" },
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static void slices_are_joined(void **state)
{
	static const struct line rows[] = {
		INBOX,
		FROM_CLIENT("3 UID FETCH 10 (BODY.PEEK[]<0.8>)\r\n"),
		FROM_SERVER("* 1 FETCH (UID 10 BODY[]<0> {8}\r\nFrom: a\r)\r\n"
			    "3 OK x\r\n"),
		{ NO_TAP, "" },
		/* Another message between. */
		FROM_SERVER("* 2 FETCH (UID 20 BODY[]<8> {2}\r\n\r\n)\r\n"),
		FROM_SERVER("* 1 FETCH (UID 10 BODY[]<16> {2}\r\nyz)\r\n"
			    "* 1 FETCH (UID 10 BODY[]<8> {8}\r\n\n\r\n12345"
			    ")\r\n"),
		/* The gap is closed and the last slice was short. */
		{ TAP, "INBOX 10 [] in|From: a\r\n\r\n12345yz" },
		FROM_CLIENT("4 IDLE\r\n"),
		{ NO_TAP, "" },
		/* The second has no beginning. */
		FROM_SERVER("+ idling\r\n"),
		FROM_CLIENT("DONE\r\n"),
		FROM_SERVER("4 OK done\r\n"),
		/* A short last slice is the end. */
		FROM_SERVER("* 1 FETCH (UID 10 BODY[]<0> {8}\r\nFrom: a\r)\r\n"
			    "* 1 FETCH (UID 10 BODY[]<8> {1}\r\n\n)\r\n"),
		{ TAP, "INBOX 10 [] in|From: a\r\n" },
		/* So is the known size. */
		FROM_SERVER("* 1 FETCH (UID 10 RFC822.SIZE 9 BODY[]<0> {9}\r\n"
			    "From: a\r\n)\r\n"),
		{ TAP, "INBOX 10 [] in|From: a\r\n" },
		/* Leaving the folder ends the waiting. */
		FROM_SERVER("* 1 FETCH (UID 10 BODY[]<0> {4}\r\nFrom)\r\n"),
		FROM_CLIENT("5 CLOSE\r\n"),
		FROM_SERVER("5 OK closed\r\n"),
		{ TAP, "INBOX 10 [] in cut|From" },
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static void headers_come_from_envelopes_and_fields(void **state)
{
	static const struct line rows[] = {
		INBOX,
		FROM_CLIENT("3 FETCH 1 (ENVELOPE)\r\n"),
		FROM_SERVER(
			"* 1 FETCH (UID 10 ENVELOPE (\"Mon, 1 Jan 2024\" "
			"{5}\r\n"
			"a\"(b) ((\"A \\\"B\\\"\" NIL \"a\" \"x.example\")) "
			"NIL "
			"NIL ((NIL NIL \"team\" NIL)(\"=?utf-8?q?C?=\" NIL "
			"\"c\" \"y.example\")(NIL NIL NIL NIL)(NIL NIL \"d\" "
			"\"z.example\")) NIL NIL NIL \"<1@x>\") FLAGS ())\r\n"),
		{ NO_TAP, "" },
		FROM_SERVER("3 OK done\r\n"),
		{ TAP, "INBOX 10 [] in headers|Date: Mon, 1 Jan 2024\r\n"
		       "Subject: a\"(b)\r\nFrom: \"A \\\"B\\\"\" <a@x.example>"
		       "\r\nTo: \"team\": =?utf-8?q?C?= <c@y.example>;,\r\n "
		       "<d@z.example>\r\nMessage-ID: <1@x>\r\n\r\n" },
		FROM_CLIENT("4 FETCH 1:2 (BODY.PEEK[HEADER.FIELDS (From)])"
			    "\r\n"),
		FROM_SERVER("* 2 FETCH (UID 11 BODY[HEADER.FIELDS (FROM "
			    "\"List-Id\")] {13}\r\nFrom: a@b\r\n\r\n)\r\n"
			    "* 3 FETCH (UID 12 BODY[HEADER.FIELDS ({10}\r\n"
			    "References)] {2}\r\n\r\n)\r\n4 OK done\r\n"),
		{ TAP, "INBOX 11 [] in headers|From: a@b\r\n\r\n" },
		/* Once is enough. */
		FROM_CLIENT("5 NOOP\r\n"),
		FROM_SERVER("5 OK done\r\n"),
		{ NO_TAP, "" },
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static void parts_are_put_under_their_header(void **state)
{
	static const struct line rows[] = {
		INBOX,
		FROM_CLIENT("3 FETCH 1 (BODYSTRUCTURE BODY.PEEK[HEADER])\r\n"),
		FROM_SERVER(
			"* 1 FETCH (UID 10 BODYSTRUCTURE ((\"text\" \"plain\" "
			"(\"charset\" \"utf-8\") NIL NIL \"base64\" 8 1 NIL "
			"NIL NIL)(\"application\" \"pdf\" NIL NIL NIL "
			"\"base64\" 90000 NIL NIL NIL) \"mixed\" (\"boundary\" "
			"\"q\") NIL NIL) BODY[HEADER] {47}\r\n"
			"From: a@b\r\nContent-Type: multipart/mixed;\r\n x\r\n"
			"\r\n)\r\n3 OK done\r\n"),
		{ TAP, "INBOX 10 [] in headers|From: a@b\r\nContent-Type: "
		       "multipart/mixed;\r\n x\r\n\r\n" },
		FROM_CLIENT("4 UID FETCH 10 (BODY.PEEK[1] BODY.PEEK[2])\r\n"),
		FROM_SERVER("* 1 FETCH (UID 10 BODY[1] {8}\r\naGVsbG8=)\r\n"
			    "* 1 FETCH (UID 10 BODY[2] {5}\r\n%PDF-)\r\n"
			    "4 OK done\r\n"),
		{ NO_TAP, "" },
		FROM_CLIENT("5 IDLE\r\n"),
		{ TAP, "INBOX 10 [] in cut|From: a@b\r\n"
		       "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; "
		       "boundary=\"=_postern_0\"\r\n\r\n--=_postern_0\r\n"
		       "Content-Type: text/plain; charset=\"utf-8\"\r\n"
		       "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n"
		       "--=_postern_0--\r\n" },
	};
	static const struct line decoded[] = {
		INBOX,
		FROM_SERVER("* 1 FETCH (UID 10 BODY[HEADER] {13}\r\n"
			    "From: a@b\r\n\r\n BINARY[1.2] ~{3}\r\nh\xe9y "
			    "BODY[1.2.MIME] {65}\r\nContent-Type: text/plain"
			    "\r\nContent-Transfer-Encoding: base64\r\n\r\n"
			    ")\r\n"),
		FROM_CLIENT("5 IDLE\r\n"),
		{ TAP, "INBOX 10 [] in cut|From: a@b\r\n"
		       "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; "
		       "boundary=\"=_postern_0\"\r\n\r\n--=_postern_0\r\n"
		       "Content-Type: text/plain\r\n\r\nh\xe9y\r\n"
		       "--=_postern_0--\r\n" },
	};
	static const struct line text[] = {
		INBOX,
		/* Body first, header after. */
		FROM_SERVER("* 1 FETCH (UID 10 BODY[TEXT] {3}\r\nhey)\r\n"
			    "* 1 FETCH (UID 10 BODY[HEADER] {13}\r\nFrom: a@b"
			    "\r\n\r\n)\r\n"),
		FROM_CLIENT("5 IDLE\r\n"),
		/* No type said: cannot be read for certain, but the header
		   came whole, so what it does not say is not there. */
		{ TAP, "INBOX 10 [] in|From: a@b\r\n\r\nhey" },
	};
	static const struct line single[] = {
		INBOX,
		FROM_SERVER("* 1 FETCH (UID 10 ENVELOPE (NIL NIL ((NIL NIL "
			    "\"a\" \"b\")) NIL NIL NIL NIL NIL NIL NIL) BODY "
			    "(\"text\" \"html\" NIL NIL NIL \"7bit\" 3 1) "
			    "BODY[1] {3}\r\nhey)\r\n6 OK\r\n"),
		{ NO_TAP, "" },
		FROM_CLIENT("5 IDLE\r\n"),
		{ TAP, "INBOX 10 [] in|From: <a@b>\r\nContent-Type: text/html"
		       "\r\nContent-Transfer-Encoding: 7bit\r\n\r\nhey" },
	};

	(void)state;
	SCRIPT(NULL, rows);
	SCRIPT(NULL, decoded);
	SCRIPT(NULL, text);
	SCRIPT(NULL, single);
}

#define MESSAGE "* 1 FETCH (UID 1 BODY[] {9}\r\nFrom: a\r\n)\r\n"

static void scope_follows_the_servers_order(void **state)
{
	static const struct line rows[] = {
		LOGIN,
		FROM_SERVER(MESSAGE),
		/* Nothing selected yet. */
		SELECT("2", "inbox", "7"),
		FROM_SERVER(MESSAGE),
		{ TAP, "INBOX 1 [] in|From: a\r\n" },
		/* Pipelined: the FETCH before is answered before. */
		FROM_CLIENT("3 FETCH 1 BODY[]\r\n4 SELECT Junk\r\n"
			    "5 FETCH 1 BODY[]\r\n"),
		FROM_SERVER(MESSAGE "3 OK\r\n"),
		{ TAP, "INBOX 1 [] in|From: a\r\n" },
		/* Now only the SELECT is open: whose it is, is not known. */
		FROM_SERVER(MESSAGE "4 OK\r\n" MESSAGE "5 OK\r\n"),
		{ NO_TAP, "" },
		SELECT("6", "\"Sent Items\"", "8"),
		FROM_SERVER(MESSAGE),
		{ TAP, "Sent Items 1 [] out|From: a\r\n" },
		/* A failed SELECT deselects. */
		FROM_CLIENT("7 SELECT {4}\r\n"),
		FROM_SERVER("+ go\r\n"),
		FROM_CLIENT("Nope\r\n"),
		FROM_SERVER("7 NO none\r\n" MESSAGE),
		{ NO_TAP, "" },
		SELECT("8", "{5+}\r\nINBOX (CONDSTORE)", "9"),
		FROM_SERVER(MESSAGE),
		{ TAP, "INBOX 1 [] in|From: a\r\n" },
		/* CLOSED. */
		FROM_CLIENT("9 FETCH 1 BODY[]\r\nA EXAMINE Drafts\r\n"),
		FROM_SERVER("* OK [CLOSED] bye\r\n" MESSAGE "9 OK\r\n"),
		{ NO_TAP, "" },
		FROM_SERVER("A OK\r\n" MESSAGE),
		{ NO_TAP, "" },
		SELECT("B", "INBOX", "9"),
		FROM_CLIENT("C UNSELECT\r\n"),
		FROM_SERVER("C OK\r\n" MESSAGE),
		{ NO_TAP, "" },
		SELECT("D", "Sent", "9"),
		FROM_CLIENT("E RENAME Sent Old\r\n"),
		FROM_SERVER("E OK\r\n" MESSAGE),
		{ NO_TAP, "" },
		SELECT("F", "Sent", "9"),
		FROM_CLIENT("G DELETE Other\r\n"),
		FROM_SERVER("G OK\r\n" MESSAGE),
		{ TAP, "Sent 1 [] out|From: a\r\n" },
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static char *named_folders[] = { "Kunden/Große" };

static void named_folder(struct session *s)
{
	s->organization.folders = named_folders;
	s->organization.folder_count = 1;
}

static void named_folders_and_learned_ones(void **state)
{
	static const struct line rows[] = {
		LOGIN,
		SELECT("2", "\"Kunden/Gro&AN8-e\"", "7"),
		FROM_SERVER(MESSAGE),
		{ TAP, "Kunden/Große 1 [] in|From: a\r\n" },
		SELECT("3", "Kunden", "7"),
		FROM_SERVER(MESSAGE),
		{ NO_TAP, "" },
		/* Learned in passing. */
		FROM_CLIENT("4 LIST \"\" *\r\n"),
		FROM_SERVER("* LIST (\\Sent) \"/\" {6}\r\nKunden\r\n4 OK\r\n"),
		SELECT("5", "Kunden", "7"),
		FROM_SERVER(MESSAGE),
		{ TAP, "Kunden 1 [] out|From: a\r\n" },
		/* UTF-8 from now on. */
		FROM_CLIENT("6 ENABLE UTF8=ACCEPT\r\n"),
		FROM_SERVER("* ENABLED UTF8=ACCEPT\r\n6 OK\r\n"),
		SELECT("7", "\"Kunden/Große\"", "7"),
		FROM_SERVER(MESSAGE),
		{ TAP, "Kunden/Große 1 [] in|From: a\r\n" },
		SELECT("8", "\"Kunden/Gro&AN8-e\"", "7"),
		FROM_SERVER(MESSAGE),
		{ NO_TAP, "" },
	};

	(void)state;
	SCRIPT(named_folder, rows);
}

static void unwanted(struct session *s)
{
	s->unwanted = true;
}

static void no_organization(struct session *s)
{
	s->route.organization = NULL;
}

static void what_is_not_wanted_only_passes(void **state)
{
	static const struct line rows[] = {
		INBOX,
		FROM_SERVER(MESSAGE MESSAGE "* 1 FETCH (ENVELOPE (NIL))\r\n"),
		FROM_CLIENT("3 IDLE\r\n"),
		{ NO_TAP, "" },
	};

	(void)state;
	SCRIPT(unwanted, rows);
	SCRIPT(no_organization, rows);
}

static void appended_to_sent_is_outgoing(void **state)
{
	static const struct line rows[] = {
		LOGIN,
		FROM_CLIENT("2 APPEND \"Sent\" (\\Seen) \"01-Jan-2024 00:00:00 "
			    "+0000\" {9}\r\n"),
		FROM_SERVER("+ OK\r\n"),
		FROM_CLIENT("From: a\r\n\r\n"),
		{ NO_TAP, "" },
		FROM_SERVER("2 OK [APPENDUID 1 2] done\r\n"),
		{ TAP, "Sent 0 [\\Seen] out|From: a\r\n" },
		/* Several, LITERAL+, the name a literal, UTF8. */
		FROM_CLIENT("3 APPEND {4+}\r\nSent {1+}\r\na (\\Seen) ~{1+}\r\n"
			    "b UTF8 (~{1+}\r\nc)\r\n"),
		FROM_SERVER("3 OK\r\n"),
		{ TAP, "Sent 0 [] out|a" },
		{ TAP, "Sent 0 [\\Seen] out|b" },
		{ TAP, "Sent 0 [] out|c" },
		/* Drafts, a refusal, something that is no message. */
		FROM_CLIENT("4 APPEND Drafts {1+}\r\na\r\n"
			    "5 APPEND Sent {1+}\r\na\r\n"
			    "6 APPEND Sent CATENATE (TEXT {1+}\r\na)\r\n"),
		FROM_SERVER("4 OK\r\n5 NO\r\n6 OK\r\n"),
		{ NO_TAP, "" },
		/* Refused before it came. */
		FROM_CLIENT("7 APPEND Sent {99999999999}\r\n"),
		FROM_SERVER("7 NO [TOOBIG] no\r\n"),
		FROM_CLIENT("8 NOOP\r\n"),
		FROM_SERVER("8 OK\r\n"),
		{ NO_TAP, "" },
		{ OPEN, "" },
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static void a_literal_sent_too_early_is_held(void **state)
{
	static const struct line rows[] = {
		LOGIN,
		{ CLIENT, "2 APPEND Sent {4}\r\nLOGO\r\n3 NOOP\r\n" },
		{ TO_SERVER, "2 APPEND Sent {4}\r\n" },
		FROM_SERVER("+ go\r\n"),
		{ TO_SERVER, "LOGO\r\n3 NOOP\r\n" },
		/* Refused: what was sent early is read as commands. */
		{ SERVER, "2 OK\r\n3 OK\r\n" },
		{ CLIENT, "4 APPEND Sent {8}\r\n5 NOOP\r\n" },
		{ TO_SERVER, "4 APPEND Sent {8}\r\n" },
		{ SERVER, "4 NO no\r\n" },
		{ TO_SERVER, "5 NOOP\r\n" },
		{ TO_CLIENT, "2 OK\r\n3 OK\r\n4 NO no\r\n" },
		{ TAP, "Sent 0 [] out|LOGO" },
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static void what_continues_an_idle_asks_for_no_literal(void **state)
{
	static const struct line rows[] = {
		LOGIN,
		FROM_CLIENT("2 IDLE\r\nDONE\r\n3 APPEND Sent {50}\r\n"),
		FROM_SERVER("+ idling\r\n* 1 EXISTS\r\n2 OK\r\n3 NO no\r\n"),
		/* Were the literal taken for asked, this would pass as part of
		   it. */
		{ CLIENT, "4 UNAUTHENTICATE\r\n" },
		{ TO_SERVER, "" },
		{ TO_CLIENT, "4 BAD This command is not available here.\r\n" },
		FROM_CLIENT("5 IDLE\r\nDONE\r\n6 APPEND Sent {4}\r\n"),
		FROM_SERVER("+ idling\r\n5 OK\r\n+ go\r\n"),
		FROM_CLIENT("LOGO\r\n"),
		FROM_SERVER("6 OK\r\n"),
		{ TAP, "Sent 0 [] out|LOGO" },
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static void capability_lists_are_rewritten_everywhere(void **state)
{
	static const struct line rows[] = {
		LOGIN,
		{ SERVER, "* CAPABILITY IDLE COMPRESS=DEFLATE IMAP4rev1\r\n"
			  "* OK [CAPABILITY X URLAUTH IMAP4rev2] hi\r\n"
			  "9 OK [CAPABILITY IMAP4rev1 REPLACE] hi\r\n"
			  "9 NO [REFERRAL imap://h/x] gone\r\n"
			  "* BAD [referral imap://h/x]\r\n"
			  "* OK [ALERT] [CAPABILITY COMPRESS=DEFLATE]\r\n"
			  "* STATUS \"CAPABILITY\" (MESSAGES 1)\r\n" },
		{ TO_CLIENT, "* CAPABILITY IMAP4rev1 IDLE\r\n"
			     "* OK [CAPABILITY IMAP4rev2 X] hi\r\n"
			     "9 OK [CAPABILITY IMAP4rev1] hi\r\n"
			     "9 NO gone\r\n"
			     "* BAD Not here.\r\n"
			     "* OK [ALERT] [CAPABILITY COMPRESS=DEFLATE]\r\n"
			     "* STATUS \"CAPABILITY\" (MESSAGES 1)\r\n" },
	};

	(void)state;
	SCRIPT(NULL, rows);
}

#define T50  "tttttttttttttttttttttttttttttttttttttttttttttttttt"
#define T550 T50 T50 T50 T50 T50 T50 T50 T50 T50 T50 T50

static void endless_heads_are_none_however_they_are_split(void **state)
{
	static const struct line rows[] = {
		LOGIN,
		{ CLIENT, T550 " NOOP\r\n" },
		{ TO_SERVER, "" },
		{ TO_CLIENT, "* BAD This command is not available here.\r\n" },
		/* Nor does it say what the line means. */
		{ SERVER, T550 " OK [CAPABILITY COMPRESS=DEFLATE] x\r\n" },
		{ TO_CLIENT, T550 " OK [CAPABILITY COMPRESS=DEFLATE] x\r\n" },
		FROM_CLIENT("2 NOOP\r\n"),
		FROM_SERVER("2 OK\r\n"),
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static void lines_that_are_no_commands_pass(void **state)
{
	static const struct line rows[] = {
		LOGIN,
		FROM_CLIENT("\r\n\nDONE\r\ndone\n2 NOOP\r\n"),
		FROM_SERVER("2 OK\r\n"),
		/* A bare CR does not make one. */
		{ CLIENT, "\r3 UNAUTHENTICATE\r\nDONE\r4 UNAUTHENTICATE\r\n" },
		{ TO_SERVER, "" },
		{ TO_CLIENT, "* BAD This command is not available here.\r\n"
			     "* BAD This command is not available here.\r\n" },
		FROM_CLIENT("5 NOOP\r\n"),
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static void refused_commands_keep_their_place(void **state)
{
	static const struct line rows[] = {
		LOGIN,
		{ CLIENT, "2 NOOP\r\n3 COMPRESS DEFLATE\r\n4 NOOP\r\n"
			  "5 unauthenticate\r\n" },
		{ TO_SERVER, "2 NOOP\r\n" },
		{ TO_CLIENT, "" },
		{ SERVER, "2 OK\r\n" },
		{ TO_CLIENT, "2 OK\r\n3 BAD This command is not available "
			     "here.\r\n" },
		{ TO_SERVER, "4 NOOP\r\n" },
		{ SERVER, "4 OK\r\n" },
		{ TO_CLIENT, "4 OK\r\n5 BAD This command is not available "
			     "here.\r\n" },
		/* Their literals are dropped with them. */
		{ CLIENT, "6 LOGIN {3+}\r\nabc {3}\r\n" },
		{ TO_CLIENT, "6 BAD This command is not available here.\r\n" },
		{ CLIENT, "  COMPRESS DEFLATE\r\n7  COMPRESS DEFLATE\r\n"
			  "* NOOP\r\n+ NOOP\r\n" },
		{ TO_CLIENT, "* BAD This command is not available here.\r\n"
			     "* BAD This command is not available here.\r\n"
			     "* BAD This command is not available here.\r\n"
			     "* BAD This command is not available here.\r\n" },
		{ TO_SERVER, "" },
		FROM_CLIENT("\r\n8 NOOP\r\n"),
		FROM_SERVER("8 OK\r\n* LIST () N"),
		/* Never inside a response. */
		{ CLIENT, "9 COMPRESS DEFLATE\r\n" },
		{ TO_CLIENT, "" },
		{ SERVER, "IL x\r\n" },
		{ TO_CLIENT, "IL x\r\n9 BAD This command is not available "
			     "here.\r\n" },
		{ CLIENT, "10 COMPRESS DEF" },
		FROM_SERVER("* 2 EXISTS\r\n* LIST (\\Foo"),
		{ CLIENT, "LATE\r\n11 NOOP\r\n" },
		{ TO_SERVER, "" },
		{ SERVER, ") NIL x\r\n" },
		{ TO_CLIENT, ") NIL x\r\n10 BAD This command is not available "
			     "here.\r\n" },
		{ TO_SERVER, "11 NOOP\r\n" },
	};

	(void)state;
	SCRIPT(NULL, rows);
}

static void drain_cuts_between_commands(void **state)
{
	static const struct line busy[] = {
		LOGIN,
		FROM_CLIENT("2 NOOP\r\n"),
		{ DRAIN, "" },
		{ OPEN, "" },
		FROM_SERVER("2 OK\r\n* 1 FETCH (FLAGS"),
		{ DRAIN, "" },
		{ OPEN, "" },
		FROM_SERVER(" ())\r\n"),
		FROM_CLIENT("3 APPEND x {1+}\r\n"),
		{ DRAIN, "" },
		{ OPEN, "" },
		FROM_CLIENT("x\r\n"),
		FROM_SERVER("3 OK\r\n"),
		{ DRAIN, "" },
		{ TO_CLIENT, "* BYE Server is restarting, connect again.\r\n" },
		{ CLOSED, "drain" },
	};
	static const struct line idle[] = {
		LOGIN,
		FROM_CLIENT("2 IDLE\r\n"),
		FROM_SERVER("+ idling\r\n* 5 EXISTS\r\n"),
		{ DRAIN, "" },
		{ TO_CLIENT, "* BYE Server is restarting, connect again.\r\n" },
		{ CLOSED, "drain" },
	};
	static const struct line pipelined[] = {
		LOGIN,
		FROM_CLIENT("2 IDLE\r\nDONE\r\n3 NOOP\r\n"),
		FROM_SERVER("+ idling\r\n2 OK\r\n"),
		{ DRAIN, "" },
		{ OPEN, "" },
		/* An IDLE that is refused, with its DONE on the way. */
		FROM_SERVER("3 OK\r\n"),
		FROM_CLIENT("4 IDLE\r\n"),
		FROM_SERVER("4 NO\r\n"),
		FROM_CLIENT("DONE\r\n5 NOOP\r\n"),
		{ DRAIN, "" },
		{ OPEN, "" },
	};

	(void)state;
	SCRIPT(NULL, busy);
	SCRIPT(NULL, idle);
	SCRIPT(NULL, pipelined);
}

static void ends_of_connections(void **state)
{
	static const struct line logout[] = {
		LOGIN,
		FROM_CLIENT("2 LOGOUT\r\n"),
		FROM_SERVER("* BYE so long\r\n2 OK\r\n"),
		{ CLIENT, "3 NOOP\r\n" },
		{ TO_SERVER, "" },
		{ SERVER_EOF, "" },
		{ TO_CLIENT, "" },
		{ CLOSED, "server said BYE" },
	};
	static const struct line lost[] = {
		INBOX,
		FROM_SERVER("* 1 FETCH (UID 1 BODY[]<0> {4}\r\nFrom)\r\n"),
		{ SERVER_EOF, "" },
		{ TAP, "INBOX 1 [] in cut|From" },
		{ TO_CLIENT, "* BYE The mail provider closed the "
			     "connection.\r\n" },
		{ CLOSED, "server closed" },
	};
	static const struct line cut[] = {
		INBOX,
		FROM_SERVER("* 1 FETCH (UID 1 BODY[] {4}\r\nFr"),
		{ SERVER_EOF, "" },
		{ TO_CLIENT, "" },
		{ CLOSED, "server closed inside a response" },
	};
	static const struct line mid_literal[] = {
		LOGIN,
		FROM_CLIENT("2 APPEND Sent {4+}\r\nFr"),
		{ CLIENT_EOF, "" },
		{ CLOSED, "client closed inside a command" },
	};
	static const struct line half[] = {
		LOGIN,
		FROM_CLIENT("2 NOOP\r\n"),
		{ CLIENT_EOF, "" },
		{ OPEN, "" },
		FROM_SERVER("* 1 EXISTS\r\n2 OK\r\n"),
		{ CLOSED, "client closed" },
	};
	static const struct line unanswered[] = {
		LOGIN,
		FROM_CLIENT("2 SEARCH ALL\r\n"),
		{ CLIENT_EOF, "" },
		{ TIMEOUT, "" },
		FROM_SERVER("* SEARCH 1"),
		{ TIMEOUT, "" },
		{ OPEN, "" },
		{ TIMEOUT, "" },
		{ CLOSED, "client closed, server does not answer" },
	};
	static const struct line unread[] = {
		LOGIN,
		FROM_CLIENT("2 SEARCH ALL\r\n"),
		{ CLIENT, "3 COMPRESS DEFLATE\r\n4 NOOP\r\n" },
		{ TO_SERVER, "" },
		{ CLIENT_EOF, "" },
		{ TIMEOUT, "" },
		{ OPEN, "" },
		{ TIMEOUT, "" },
		{ CLOSED, "client closed, server does not answer" },
	};
	static const struct line quiet[] = {
		LOGIN,
		{ TIMEOUT, "" },
		{ TIMEOUT, "" },
		{ TIMEOUT, "" },
		{ TIMEOUT, "" },
		{ OPEN, "" },
		{ TIMEOUT, "" },
		{ TO_CLIENT, "* BYE Idle for too long.\r\n" },
		{ CLOSED, "idle timeout" },
	};
	static const struct line malformed[] = {
		LOGIN,
		{ SERVER, "* 1 FETCH (BODY[] {99999999999999999999}\r\n" },
		{ CLOSED, "server response malformed" },
	};

	(void)state;
	SCRIPT(NULL, logout);
	SCRIPT(NULL, lost);
	SCRIPT(NULL, cut);
	SCRIPT(NULL, mid_literal);
	SCRIPT(NULL, half);
	SCRIPT(NULL, unanswered);
	SCRIPT(NULL, unread);
	SCRIPT(NULL, quiet);
	SCRIPT(NULL, malformed);
}

/* -- what cannot be rows -- */

static void log_in(struct session *s)
{
	static const struct line rows[] = { INBOX };

	fake_start(s);
	script_play(s, rows, N_ELEMENTS(rows));
}

static void copies_are_cut_at_the_cap(void **state)
{
	static char block[1 << 16];
	struct session s;

	(void)state;
	memset(block, 'x', sizeof(block));
	fake_init(&s, 0);
	s.settings.message.max_tap_bytes = 100000;
	log_in(&s);
	fake_feed(&s, SIDE_SERVER,
		  SPAN("* 1 FETCH (UID 3 BODY[] {5000000000}\r\n"));
	for (int i = 0; i < 10; i++) {
		fake_feed(&s, SIDE_SERVER, span_of(block, sizeof(block)));
		strbuf_clear(&s.out[SIDE_CLIENT]);
	}
	assert_int_equal(s.tap_count, 0);
	assert_false(s.closing);
	fake_finish(&s);

	/* A whole one above the cap; then one that fits again. */
	fake_init(&s, 0);
	s.settings.message.max_tap_bytes = 5000;
	log_in(&s);
	for (int i = 0; i < 3; i++) {
		fake_feed(&s, SIDE_SERVER,
			  SPAN("* 1 FETCH (UID 3 BODY[] {65536}\r\n"));
		fake_feed(&s, SIDE_SERVER, span_of(block, sizeof(block)));
		fake_feed(&s, SIDE_SERVER, SPAN(")\r\n"));
	}
	assert_int_equal(s.tap_count, 3);
	assert_true(s.taps[2].source.truncated);
	assert_int_equal(s.taps[2].message.len, 5000);
	fake_finish(&s);
}

static void many_messages_in_parts_are_bounded(void **state)
{
	struct session s;

	(void)state;
	fake_init(&s, 0);
	s.settings.message.max_tap_bytes = 4096;
	log_in(&s);
	for (int i = 1; i < 60; i++) {
		struct strbuf line = STRBUF_INIT(1000);

		strbuf_addf(&line,
			    "* %d FETCH (UID %d BODY[HEADER] {13}\r\n"
			    "From: a@b\r\n\r\n)\r\n",
			    i, i);
		fake_feed(&s, SIDE_SERVER, strbuf_span(&line));
		strbuf_finish(&line);
	}
	/* The oldest went out as they were, the newest wait. */
	assert_int_equal(s.tap_count, 59 - 16);
	assert_true(s.taps[0].source.headers_only);
	assert_int_equal(s.taps[0].source.uid, 1);
	fake_finish(&s);
}

static void huge_envelopes_pass(void **state)
{
	static char block[1 << 16];
	struct session s;
	size_t passed = 0;

	(void)state;
	memset(block, 'x', sizeof(block));
	fake_init(&s, 0);
	log_in(&s);
	fake_feed(&s, SIDE_SERVER, SPAN("* 1 FETCH (UID 3 ENVELOPE (\""));
	strbuf_clear(&s.out[SIDE_CLIENT]);
	for (int i = 0; i < 160; i++) {
		fake_feed(&s, SIDE_SERVER, span_of(block, sizeof(block)));
		passed += s.out[SIDE_CLIENT].len;
		strbuf_clear(&s.out[SIDE_CLIENT]);
		assert_true(s.held[SIDE_SERVER].len == 0);
	}
	assert_int_equal(passed, 160 * sizeof(block));
	fake_feed(&s, SIDE_SERVER, SPAN("\"))\r\n" MESSAGE));
	assert_int_equal(s.tap_count, 1);
	fake_finish(&s);
}

static void wanted_is_asked_before_the_content(void **state)
{
	struct session s;

	(void)state;
	fake_init(&s, 0);
	log_in(&s);
	s.unwanted = true;
	fake_feed(&s, SIDE_SERVER, SPAN("* 1 FETCH (UID 3 BODY[] {9}\r\n"));
	assert_int_equal(s.asked, 1);
	s.unwanted = false;
	fake_feed(&s, SIDE_SERVER, SPAN("From: a\r\n)\r\n"));
	assert_int_equal(s.asked, 1);
	assert_int_equal(s.tap_count, 0);
	fake_finish(&s);
}

static void many_commands_wait_for_room(void **state)
{
	struct session s;
	struct strbuf all = STRBUF_INIT(1 << 20);

	(void)state;
	fake_init(&s, 0);
	log_in(&s);
	for (int i = 0; i < 3000; i++) {
		strbuf_addf(&all, "n%d NOOP\r\n", i);
	}
	fake_feed(&s, SIDE_CLIENT, strbuf_span(&all));
	assert_true(s.paused[SIDE_CLIENT]);
	for (int i = 0; i < 3000; i++) {
		struct strbuf line = STRBUF_INIT(100);

		strbuf_addf(&line, "n%d OK\r\n", i);
		fake_feed(&s, SIDE_SERVER, strbuf_span(&line));
		strbuf_finish(&line);
	}
	assert_false(s.paused[SIDE_CLIENT]);
	assert_true(
		span_eq(strbuf_span(&s.out[SIDE_SERVER]), strbuf_span(&all)));
	strbuf_finish(&all);
	fake_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_messages_are_tapped),
		cmocka_unit_test(
			flags_are_remembered_for_content_that_comes_later),
		cmocka_unit_test(slices_are_joined),
		cmocka_unit_test(headers_come_from_envelopes_and_fields),
		cmocka_unit_test(parts_are_put_under_their_header),
		cmocka_unit_test(scope_follows_the_servers_order),
		cmocka_unit_test(named_folders_and_learned_ones),
		cmocka_unit_test(what_is_not_wanted_only_passes),
		cmocka_unit_test(appended_to_sent_is_outgoing),
		cmocka_unit_test(a_literal_sent_too_early_is_held),
		cmocka_unit_test(what_continues_an_idle_asks_for_no_literal),
		cmocka_unit_test(capability_lists_are_rewritten_everywhere),
		cmocka_unit_test(endless_heads_are_none_however_they_are_split),
		cmocka_unit_test(lines_that_are_no_commands_pass),
		cmocka_unit_test(refused_commands_keep_their_place),
		cmocka_unit_test(drain_cuts_between_commands),
		cmocka_unit_test(ends_of_connections),
		cmocka_unit_test(copies_are_cut_at_the_cap),
		cmocka_unit_test(many_messages_in_parts_are_bounded),
		cmocka_unit_test(huge_envelopes_pass),
		cmocka_unit_test(wanted_is_asked_before_the_content),
		cmocka_unit_test(many_commands_wait_for_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
