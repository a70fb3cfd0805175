/* The protocol of writers and the pruner (docs/format.md, "Commit"), for spin.
 *
 * One content X is enough: every point that is committed refers to it. It is held by containers:
 *   0            from before, referred to by the old point, which somebody deletes at any moment
 *   1 + w        what writer w stores because it knows of no usable container
 *   1 + W + w    what writer w stores when it finds that a pruner took it for dead
 * Each step is one request to the storage. A writer may die before each of them, or be suspended for
 * as long as it takes (the interleaving). When a lease is held for expired is anybody's guess, so a
 * clock that jumps is covered. Names are never used twice, so put-if-absent is not needed.
 *
 * Invariant: X of every acknowledged point is in a container that is there.
 *
 * Each macro BREAK_... takes one rule out; tests/model/run.sh sees that spin then finds a loss. */

#define W 2
#define CONTAINERS 5		/* 1 + 2 * W */
#ifndef ROUNDS
#define ROUNDS 2
#endif

bool stored[CONTAINERS];
bool named[CONTAINERS];		/* by some index fragment */
bool tombstone[CONTAINERS];
bool waits[W];			/* sessions that may not know of the tombstones; kept with them */
bool lease[W];
bool fence[W];
bool point[W];
bool is_verified[W];		/* the mark that a point under a fence has been checked */
bool is_deleted;		/* the old point */
bool is_deleted_0;		/* the point of writer 0 */
bool acknowledged[W];

inline check() {
	assert(!(acknowledged[0] || acknowledged[1]) ||
		stored[0] || stored[1] || stored[2] || stored[3] || stored[4])
}

/* A crash: nothing is tidied up. */
#define may_die() if :: skip :: goto dead fi

/* A fragment is written only by who has its lease; between this look and the writing nobody sleeps as long as it takes
 * for a fenced session to be forgotten. */
#ifdef BREAK_FRAGMENT_OF_A_FORGOTTEN_SESSION
#define confirm(step) d_step { step }
#else
#define confirm(step) atomic { if :: lease[w] :: !lease[w] -> goto dead fi; step }
#endif

/* Macros, for an inline takes no arrays. */
#define copy(from, to) \
	d_step { i = 0; do :: i < CONTAINERS -> to[i] = from[i]; i++ :: else -> break od; i = 0 }

/* What the index names and is not condemned, as far as this session knows. */
#ifdef BREAK_DEDUPLICATES_AGAINST_CONDEMNED
#define is_usable(i) named[i]
#else
#define is_usable(i) (named[i] && !condemned[i])
#endif
#define read_index(usable) \
	d_step { i = 0; do :: i < CONTAINERS -> usable[i] = is_usable(i); i++ :: else -> break od; i = 0 }

/* What is not looked at again must not tell states apart. */
#define forget(array, length) \
	i = 0; do :: i < length -> array[i] = false; i++ :: else -> break od; i = 0

proctype writer(byte w) {
	byte i = 0;
	bool condemned[CONTAINERS], usable[CONTAINERS];
	bool has = false, is_parent = false;

#ifdef BREAK_LEASE_AFTER_INDEX
	copy(tombstone, condemned); read_index(usable);
	may_die(); lease[w] = true;
#else
	may_die(); lease[w] = true;
	may_die(); copy(tombstone, condemned);
	may_die(); read_index(usable);
#endif
	/* An incremental backup takes over what its parent refers to, without a look at the index. */
	may_die();
	d_step {
		is_parent = !is_deleted;
#ifdef BREAK_UNVERIFIED_PARENT
		if :: point[1 - w] && !(w == 1 && is_deleted_0) -> is_parent = true :: else fi
#else
		if
		:: point[1 - w] && !(w == 1 && is_deleted_0) && (!fence[1 - w] || is_verified[1 - w]) ->
			is_parent = true
		:: else
		fi
#endif
	}
	if
	:: is_parent -> has = true
	:: has = false		/* a full backup */
	fi;
	d_step {
		i = 0; do :: i < CONTAINERS -> has = has || usable[i]; i++ :: else -> break od;
		is_parent = false; forget(usable, CONTAINERS)
	}
	if
	:: has
	:: else ->
		may_die(); stored[1 + w] = true;
		may_die(); confirm(named[1 + w] = true)
	fi;
	may_die(); point[w] = true;
	/* The commit is there. Did a pruner take this session for dead? */
	may_die();
#ifdef BREAK_IGNORES_FENCE
	has = true;
#else
	has = !fence[w];
#endif
	if
	:: has
	:: else ->
		may_die();
		d_step {
			i = 0;
			do
			:: i < CONTAINERS ->
#ifdef BREAK_VERIFIES_AGAINST_CONDEMNED
				has = has || stored[i];
#else
				has = has || (stored[i] && !tombstone[i]);
#endif
				i++
			:: else -> break
			od;
			i = 0
		}
		if
		:: has
		:: else ->
			may_die(); stored[1 + W + w] = true;
			may_die(); confirm(named[1 + W + w] = true)
		fi;
		may_die(); is_verified[w] = true
	fi;
	/* Nobody has forgotten it. */
	may_die(); if :: lease[w] :: !lease[w] -> goto dead fi;
	atomic { acknowledged[w] = true; check() }
#ifdef BREAK_FOLDS_WITHOUT_LEASE
	lease[w] = false;
#endif
	/* Folding: names again what it has read, however long ago. */
	if
	:: may_die(); read_index(usable);
		may_die();
#ifdef BREAK_FOLDS_WITHOUT_LEASE
		d_step { i = 0; do :: i < CONTAINERS -> named[i] = named[i] || usable[i]; i++
			:: else -> break od; forget(usable, CONTAINERS) }
#else
		confirm(i = 0; do :: i < CONTAINERS -> named[i] = named[i] || usable[i]; i++
			:: else -> break od; forget(usable, CONTAINERS))
#endif
	:: skip
	fi;
	may_die(); d_step { lease[w] = false; has = false; forget(condemned, CONTAINERS) }
	goto end;
dead:
	skip;
	d_step { has = false; is_parent = false; forget(condemned, CONTAINERS); forget(usable, CONTAINERS) }
	/* The next session of this machine sees that this one is gone, or there is none. */
	if :: lease[w] = false :: skip fi;
end:
	skip
}

/* Somebody deletes the old point, and that of writer 0, at some moments or never. */
proctype administrator() {
	if :: is_deleted = true :: skip fi;
	if
	:: atomic { acknowledged[0] -> acknowledged[0] = false; is_deleted_0 = true }
	:: skip
	fi
}

/* A point that is deleted after the first look counts as there in this prune: a session that knows of
 * the tombstones may have taken it for its parent. */
#ifdef BREAK_DELETED_MEANWHILE_IS_GONE
#define is_live_again() is_live()
#else
#define is_live_again() (!goes_old || (point[0] && !goes_0) || point[1])
#endif
#define is_live() (!is_deleted || (point[0] && !is_deleted_0) || point[1])

proctype pruner() {
	byte round = 0, i = 0, w = 0;
	bool there[CONTAINERS], going[CONTAINERS], had_lease[W];
	bool live = false, keeps = false, must_wait = false, goes_old = false, goes_0 = false;
	do
	:: round == ROUNDS -> break
	:: round < ROUNDS ->
		round++;
		/* Fenced long ago: forgotten. One writer that may be is enough. */
		if :: fence[1] && lease[1] -> lease[1] = false :: skip fi;
		/* In this order: packs, leases, index, points. */
		copy(stored, there);
		d_step { w = 0; do :: w < W -> had_lease[w] = lease[w] && !fence[w]; w++ :: else -> break od; w = 0 }
		d_step {
			/* Candidates: what the index names, and packs of sessions that have ended. */
			i = 0;
			do
			:: i < CONTAINERS ->
				going[i] = tombstone[i] || (there[i] && (named[i] ||
					((i == 1 || i == 3) && !had_lease[0]) ||
					((i == 2 || i == 4) && !had_lease[1])));
				i++
			:: else -> break
			od;
			forget(there, CONTAINERS); forget(had_lease, W)
		}
		d_step { live = is_live(); goes_old = is_deleted; goes_0 = is_deleted_0 }
		if
		:: live ->
			/* One copy stays, any one that is not condemned already. */
			keeps = false;
			do
			:: i < CONTAINERS ->
				if
				:: going[i] && !tombstone[i] && !keeps -> keeps = true; going[i] = false
				:: skip
				fi;
				i++
			:: else -> break
			od;
			i = 0;
			if :: !keeps -> goto next :: else fi
		:: else
		fi;
		/* Condemn. */
		d_step { i = 0; do :: i < CONTAINERS ->
			if :: going[i] -> tombstone[i] = true :: else fi; i++ :: else -> break od; i = 0 }
#ifdef BREAK_LISTS_POINTS_BEFORE_FENCES
		live = is_live_again();
#endif
		/* Every session that has a lease now may not know. */
		d_step { w = 0; do :: w < W -> waits[w] = waits[w] || lease[w]; w++ :: else -> break od; w = 0 }
		must_wait = false;
		do
		:: w < W ->
			if
			:: waits[w] && lease[w] && !fence[w] ->
				if
				:: fence[w] = true	/* held for expired, rightly or not */
				:: must_wait = true
				fi
			:: else
			fi;
			w++
		:: else -> break
		od;
		w = 0;
#ifdef BREAK_DOES_NOT_WAIT
		must_wait = false;
#endif
		if :: must_wait -> goto next :: else fi;
		/* Mark again. */
#ifndef BREAK_LISTS_POINTS_BEFORE_FENCES
#ifndef BREAK_STALE_LIST
		live = is_live_again();
#endif
#endif
		if
		:: live ->
			/* What is needed and has no other container is let go; it stays condemned. */
			d_step {
				keeps = false;
				do :: i < CONTAINERS -> keeps = keeps || (stored[i] && !tombstone[i]); i++
				:: else -> break od;
				i = 0;
				do
				:: i < CONTAINERS ->
					if
					:: !keeps && going[i] && stored[i] -> going[i] = false
					:: else
					fi;
					i++
				:: else -> break
				od;
				i = 0
			}
		:: else
		fi;
		/* The containers. Their names in the index do no harm as long as there are tombstones. */
		do
		:: i < CONTAINERS ->
			if :: going[i] -> atomic { stored[i] = false; check() } :: else fi;
			i++
		:: else -> break
		od;
		i = 0;
		/* When every session that may not know has ended, fenced or not: the index, then the
		 * tombstones. */
#ifndef BREAK_TOMBSTONE_OUTLIVES_NOBODY
		if :: (waits[0] && lease[0]) || (waits[1] && lease[1]) -> goto next :: else fi;
#endif
#ifdef BREAK_TOMBSTONE_GOES_BEFORE_INDEX
		d_step { i = 0; do :: i < CONTAINERS ->
			if :: going[i] -> tombstone[i] = false :: else fi; i++ :: else -> break od; i = 0 }
#endif
		do
		:: i < CONTAINERS ->
			if :: going[i] -> named[i] = false :: else fi;
			i++
		:: else -> break
		od;
		i = 0;
		d_step { i = 0; do :: i < CONTAINERS ->
			if :: going[i] -> tombstone[i] = false :: else fi; i++ :: else -> break od; i = 0 }
		d_step { waits[0] = false; waits[1] = false }
next:
		skip;
		d_step {
			live = false; keeps = false; must_wait = false; goes_old = false; goes_0 = false;
			forget(going, CONTAINERS)
		}
	od
}

init {
	atomic {
		stored[0] = true;
		named[0] = true;
		run writer(0); run writer(1); run administrator(); run pruner()
	}
}
