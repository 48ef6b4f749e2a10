/* verdict: what happens to an outbound message. The strictest wins. */
#ifndef POSTERN_LIB_VERDICT_H
#define POSTERN_LIB_VERDICT_H

enum verdict {
	VERDICT_RELAY,
	VERDICT_DELAY,
	VERDICT_HOLD,
	VERDICT_REJECT,
};

static inline enum verdict verdict_stricter(enum verdict a, enum verdict b)
{
	return a > b ? a : b;
}

#endif
