/* Prunes beside each other (docs/format.md, "Pruning"), for spin: each may be suspended before each request, be taken
 * for dead by another, and go on; or die. Writers beside one prune at a time are in prune.pml and verify.pml.
 *
 * One content X is enough. It stands in two containers, and nobody needs it, or a point does that is there from the
 * beginning. A full client, which comes at any moment, needs it from then on. So does a write-only client, which stores
 * it once more: a reader does not rely on that.
 *   0, 1    from before, both named
 *   2 + p   what prune p has copied
 *   4       what the full client stores because it knows of no usable container
 *   5       what the write-only client has stored
 * Each step is one request to the storage. Sets of containers, sessions and tombstones are bits.
 *
 * An older prune may have condemned container 1, and waits for a backup.
 *
 * Invariant: once an acknowledged point of the full client, or from before, needs X, it is in a container that is there.
 *
 * Each macro BREAK_... takes one rule out; tests/model/run.sh sees that spin then finds a loss. */

#define PRUNES 2
#define TOMBSTONES 3		/* of each prune one, and an older one */
#define BACKUP (1 << 2)		/* a session that the older one waits for */
#define CONTAINERS 6
#define OF_WRITER (1 << 4)
#define CLAIM (1 << 5)

byte stored = 3, named = 3;
byte objects[TOMBSTONES];		/* what the tombstone of a prune condemns */
byte tombstones;		/* those that are there */
byte completed;			/* those with which it is kept who may not know of them */
byte waits[TOMBSTONES];		/* who that is */
byte leases, fences;
bool is_needed, is_acknowledged;
bool has_older;			/* tombstone; then there is no write-only client */

inline check() { assert(!is_acknowledged || (stored & ~CLAIM) != 0) }

#define is_in(set, i) ((set & (1 << i)) != 0)

/* The write-only client, or not; then the full one. Each takes one step: how writers go on beside a prune is in the
 * other models. */
proctype clients() {
	if
	:: d_step { !has_older -> stored = stored | CLAIM; named = named | CLAIM; is_needed = true }
	:: skip
	fi;
	d_step {
		if
		:: (named & ~(objects[0] | objects[1] | objects[2]) & ~CLAIM) != 0
		:: else -> stored = stored | OF_WRITER; named = named | OF_WRITER
		fi;
		/* What a writer relies on is there. */
		assert((named & ~(objects[0] | objects[1] | objects[2]) & ~stored) == 0);
		is_needed = true; is_acknowledged = true;
		check()
	}
}

proctype backup() { leases = leases & ~BACKUP }

proctype prune(byte p) {
	byte condemned = 0;	/* as far as this prune knows */
	byte known = 0;		/* tombstones */
	byte going = 0;
	byte sweeps = 0, buries = 0;	/* tombstones */
	byte held = 0, done = 0, t = 0, i = 0;
	bool is_live = false, is_copied = false;

	leases = leases | (1 << p);
	d_step { known = tombstones; condemned = objects[0] | objects[1] | objects[2] }
	/* The index, and what of it is there; then the points. */
	d_step { going = named & stored & ~condemned }
	/* What is not needed may go, and what is needed when there is another place. */
	atomic {
		is_live = is_needed;
		if
		:: is_live && is_in(going, 0) -> going = going & ~1
		:: is_live && is_in(going, 1) -> going = going & ~2
		:: is_live && (going & 3) == 0 && (going & ~CLAIM) != 0 -> going = 0
		:: is_live -> is_copied = (named & stored & ~CLAIM) != 0; if :: !is_copied -> going = 0 :: else fi
		:: !is_live
		fi;
		/* Of two that go, one may stay as well. */
		if :: going = going & ~1 :: going = going & ~2 :: skip fi;
		is_live = false
	}
	if
	:: is_copied -> stored = stored | (1 << (2 + p)); named = named | (1 << (2 + p)); is_copied = false
	:: else
	fi;
	if :: skip :: goto dead fi;
	/* Condemn. */
	d_step {
#ifdef BREAK_NAMES_AGAIN_WHAT_OTHERS_CONDEMN
		if :: going != 0 -> objects[p] = going; tombstones = tombstones | (1 << p); known = known | (1 << p) :: else fi;
#else
		/* And once more what is condemned already: it may be named again below, when another prune has swept it. */
		going = going | condemned;
		if :: going != 0 -> objects[p] = going; tombstones = tombstones | (1 << p); known = known | (1 << p) :: else fi;
#endif
		condemned = condemned | going; going = 0
	}
	if :: skip :: goto dead fi;
	/* Who has a lease now may not know; and who has condemned goes on with it. */
	held = leases & ~(1 << p);
	d_step {
		do
		:: t < TOMBSTONES ->
			if
			:: is_in(known, t) && is_in(tombstones, t) && !is_in(completed, t) ->
				completed = completed | (1 << t); waits[t] = held;
				if :: t == p -> waits[t] = waits[t] | (1 << p) :: else fi
			:: else
			fi;
			t++
		:: else -> break
		od;
		t = 0
	}
	/* Held for expired, rightly or not. */
	if
	:: (held & leases & ~fences & ~BACKUP) != 0 -> fences = fences | (held & leases & ~BACKUP)
	:: skip
	fi;
	skip;
	d_step {
		t = 0;
		do
		:: t < TOMBSTONES ->
			if
			:: is_in(known, t) && (waits[t] & held & ~fences) == 0 ->
				sweeps = sweeps | (1 << t); going = going | objects[t];
				if :: (waits[t] & held) == 0 -> buries = buries | (1 << t) :: else fi
			:: else
			fi;
			t++
		:: else -> break
		od;
		t = 0; held = 0
	}
#ifndef BREAK_READS_TOMBSTONES_ONCE
	/* Another prune may have condemned meanwhile what this one relies on. */
	condemned = condemned | objects[0] | objects[1] | objects[2];
#endif
	if :: skip :: goto dead fi;
	/* Mark again: the index, then the points. What is needed and has no other container is let go. */
#ifdef BREAK_WAITING_IS_A_PLACE
	condemned = named & ~going & ~CLAIM;
#else
	condemned = named & ~condemned & ~CLAIM;
#endif
	is_live = is_needed;
	d_step {
		if :: is_live && condemned == 0 -> going = going & ~stored :: else fi;
		condemned = 0
	}
	do
	:: i < CONTAINERS ->
		if :: is_in(going & stored, i) -> atomic { stored = stored & ~(1 << i); check() } :: else fi;
		i++
	:: else -> break
	od;
	i = 0;
	if :: skip :: goto dead fi;
	/* The index, then the tombstones: what was let go stays condemned, for another prune may be about to delete it. */
	/* A fragment is read, and another one without what is gone put in its place; another prune may do so too. */
	condemned = named & ~going;
	named = (named & ~going) | condemned;
	d_step {
		/* What nobody may name again, in whatever tombstone. */
		do :: t < TOMBSTONES -> if :: is_in(buries, t) -> done = done | (going & objects[t]) :: else fi; t++ :: else -> break od;
#ifndef BREAK_BURIES_WHAT_ANOTHER_PRUNE_GOES_ON_WITH
		t = 0;
		do
		:: t < TOMBSTONES ->
			if :: t != p && is_in(known, t) && !is_in(buries, t) -> done = done & ~objects[t] :: else fi;
			t++
		:: else -> break
		od;
#endif
		t = 0;
		do
		:: t < TOMBSTONES ->
			if
			:: is_in(known, t) ->
				objects[t] = objects[t] & ~done;
				/* Of what is swept the own tombstone tells. */
				if :: t != p && is_in(known, p) && (objects[t] & ~going) == 0 -> objects[t] = 0 :: else fi;
				if
				:: objects[t] == 0 -> tombstones = tombstones & ~(1 << t); completed = completed & ~(1 << t); waits[t] = 0
				:: else
				fi
			:: else
			fi;
			t++
		:: else -> break
		od;
		t = 0; done = 0
	}
	leases = leases & ~(1 << p);
	goto end;
dead:
	skip;
	/* The next session of this machine sees that this one is gone, or there is none. */
	if :: leases = leases & ~(1 << p) :: skip fi;
end:
	skip;
	d_step { condemned = 0; known = 0; going = 0; sweeps = 0; buries = 0; held = 0; t = 0; i = 0; is_live = false }
}

init {
	atomic {
		if :: is_needed = true; is_acknowledged = true :: skip fi;
		if
		:: objects[2] = 2; tombstones = 1 << 2; completed = 1 << 2; waits[2] = BACKUP; leases = BACKUP; has_older = true; run backup()
		:: skip
		fi;
		run prune(0); run prune(1); run clients()
	}
}
