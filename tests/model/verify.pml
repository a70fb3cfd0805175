/* What becomes of the point of one session that pruners take for dead (docs/format.md, "Commit" and "Pruning"), for
 * spin: the rules of unverified points and of the mark `verified`. The protocol as a whole, with two writers, is
 * prune.pml.
 *
 * One content X is enough: the point refers to it. It is held by containers:
 *   0        from before, referred to by the old point, which somebody deletes at any moment
 *   1        what the writer stores because it knows of no usable container
 *   2, 3, 4  what the writer stores again, when it finds that a pruner took it for dead
 * Each step is one request to the storage. The writer may be suspended before each of them for as long as it takes; so
 * may the pruner, or die when it has fenced the session, or when it has looked again, or deleted: then the next
 * round is another one's.
 *
 * While something that the point needs is gone and not stored again, a pruner that walks the point finds nothing
 * below it: then X does not count as needed (is_torn).
 *
 * Invariant: if the point is acknowledged, it is there, and X is in a container that is there.
 *
 * Each macro BREAK_... takes one rule out; tests/model/run.sh sees that spin then finds a loss. */

#define W 1
#define CONTAINERS 5
#ifndef ROUNDS
#define ROUNDS 3
#endif

bool stored[CONTAINERS];
bool named[CONTAINERS];		/* by some index fragment */
byte tombstone[CONTAINERS];	/* of which prune; 0: none */
byte point_tombstone[W];	/* the same of the points */
byte old_tombstone;
byte waits[ROUNDS + 1];		/* by prune: whether the session may not know of its tombstone; kept with it */
bool lease[W];
bool fence[W];
bool point[W];
bool is_verified[W];		/* the mark that a point under a fence has been checked */
bool is_marked_deleted[W];	/* the mark that a pruner sets before it removes a point */
bool condemned[CONTAINERS];	/* as far as the writer knows */
bool is_whole[W];		/* its session has stored again all that it knows to be condemned */
bool is_torn[W];		/* something below it may be gone that its session has not stored again yet */
bool is_deleted;		/* the old point */
bool is_deleted_0;		/* the point of writer 0 */
bool acknowledged[W];

#define any_stored() (stored[0] || stored[1] || stored[2] || stored[3] || stored[4])
inline check() {
	assert(!acknowledged[0] || (any_stored() && point[0]))
}

/* A crash: nothing is tidied up. */
#define may_die() if :: skip :: goto dead fi

/* A fragment is written only by who has its lease; between this look and the writing nobody sleeps as long as it takes
 * for a fenced session to be forgotten. */
#define confirm(step) atomic { if :: lease[w] :: !lease[w] -> goto dead fi; step }

/* What the index names and is not condemned, as far as this session knows. */
#define is_usable(i) (named[i] && !condemned[i])
#define any_usable() (is_usable(0) || is_usable(1))
#define read_tombstones() \
	d_step { i = 0; do :: i < CONTAINERS -> condemned[i] = tombstone[i] != 0; i++ :: else -> break od; i = 0 }
/* What is not looked at again must not tell states apart. */
#define forget(array, length) \
	i = 0; do :: i < length -> array[i] = false; i++ :: else -> break od; i = 0

#define is_unverified(w) (fence[w] && !is_verified[w])
#define is_hidden(w) (is_marked_deleted[w] || (w == 0 && is_deleted_0))

proctype writer(byte w) {
	byte i = 0;
	byte next = 1 + W;	/* container, for what is stored again */
	bool has = false, is_parent = false;

	may_die(); lease[w] = true;
	may_die(); read_tombstones();
	may_die(); has = any_usable();
	/* An incremental backup takes over what its parent refers to, without a look at the index. */
	may_die();
	d_step {
		is_parent = !is_deleted;
	}
	if
	:: is_parent -> has = true
	:: skip		/* a full backup */
	fi;
	is_parent = false;
	if
	:: has
	:: else ->
		may_die(); stored[1 + w] = true;
		may_die(); confirm(named[1 + w] = true)
	fi;
	may_die(); point[w] = true;
	/* The commit is there. Did a pruner take this session for dead? */
	may_die();
	has = !fence[w];
	if
	:: has -> skip
	:: else ->
		may_die(); read_tombstones();
again:		skip;
		/* What can be read and is not condemned, as far as this session knows. */
		d_step {
			i = 0;
			do
			:: i < CONTAINERS ->
				has = has || (stored[i] && !condemned[i]);
				is_parent = is_parent || stored[i];
				i++
			:: else -> break
			od;
			i = 0
		}
		if
		:: has
		:: !has && is_parent ->
			may_die(); stored[next] = true;
			may_die(); confirm(named[next] = true; next++)
		:: !has && !is_parent -> goto gone
		fi;
		is_parent = false;
		d_step { is_torn[w] = false; is_whole[w] = true }
#ifndef BREAK_READS_TOMBSTONES_ONCE
		/* Until nothing is condemned that was not. */
		may_die();
		d_step {
			has = true; i = 0;
			do
			:: i < CONTAINERS ->
				has = has && (condemned[i] || tombstone[i] == 0);
				condemned[i] = condemned[i] || tombstone[i] != 0; i++
			:: else -> break
			od;
			i = 0
		}
		if :: has :: else -> d_step { is_torn[w] = true; is_whole[w] = false }; goto again fi;
#endif
		may_die(); is_verified[w] = true
	fi;
	/* Folding: names again what it has read, however long ago. */
	if
	:: may_die();
		d_step { i = 0; is_parent = is_usable(0); has = is_usable(1) }	/* two of them are enough */
		may_die();
		confirm(named[0] = named[0] || is_parent; named[1] = named[1] || has)
	:: skip
	fi;
	is_parent = false; has = false;
	/* A fence that came after the point: whoever finds it, the point was there before. */
	may_die(); has = fence[w];
	if :: has -> may_die(); is_verified[w] = true :: else fi;
#ifndef BREAK_ENDS_WITHOUT_LEASE
	/* Nobody has forgotten it. */
	may_die(); has = lease[w];
	if :: has :: else -> may_die(); fence[w] = true; goto gone fi;
#endif
	may_die(); lease[w] = false;
	may_die(); has = fence[w];
	if :: has -> may_die(); is_verified[w] = true :: else fi;
	may_die();
	atomic { acknowledged[w] = true; check() }
	d_step { has = false; forget(condemned, CONTAINERS) }
	goto end;
gone:
	may_die(); lease[w] = false;
dead:
	skip;
	d_step { has = false; is_parent = false; forget(condemned, CONTAINERS) }
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

/* What a point has, if it is to stay. One that its session verifies may be passed over as long as that has not
 * named all that it stores again. */
#define is_found(w) (!is_unverified(w) || !is_torn[w])

#define is_swept(i) (going[i] && tombstone[i] != 0 && may_sweep[tombstone[i]])

/* Which points are there, and what needs X. A point that is deleted after the first look counts as there in this
 * prune: a session that knows of the tombstones may have taken it for its parent. So does one whose own tombstone
 * waits for a session. */
#define old_goes (goes_old)
#define goes_now(w) (goes[w])
#define waits_still(t) (t != 0 && !may_sweep[t])
#ifdef BREAK_MARKS_ONCE
#define is_found_again(w) (!passed_over[w] && is_found(w))
#else
#define is_found_again(w) (is_found(w) || fenced_now[w])
#endif
#define list_again() \
	d_step { \
		live = !old_goes || waits_still(old_tombstone); \
		do \
		:: w < W -> \
			verifies[w] = false; counts[w] = false; \
			is_listed_unverified = point[w] && is_unverified(w); \
			if \
			:: point[w] && goes_now(w) -> \
				live = live || waits_still(point_tombstone[w]) \
			:: point[w] && !goes_now(w) -> \
				counts[w] = is_found_again(w); \
				live = live || counts[w]; \
				verifies[w] = is_unverified(w) && fenced_now[w] \
			:: else \
			fi; \
			w++ \
		:: else -> break \
		od; \
		w = 0 \
	}
#define bury() \
	d_step { \
		i = 0; \
		do :: i < CONTAINERS -> if :: is_swept(i) -> tombstone[i] = 0 :: else fi; i++ :: else -> break od; \
		i = 0 \
	}
proctype pruner() {
	byte round = 0, i = 0, w = 0;
	bool there[CONTAINERS], going[CONTAINERS], had_lease[W], could_write[W];
	bool goes[W], staying[W], passed_over[W], fenced_now[W], may_sweep[ROUNDS + 1];
	bool counts[W], verifies[W];
	bool goes_old = false, live = false, keeps = false, is_listed_unverified = false;
	bool had_fence[W];
	do
	:: round == ROUNDS -> break
	:: round < ROUNDS ->
		round++;
		/* Fenced long ago: forgotten. */
		if :: fence[0] && lease[0] -> lease[0] = false :: skip fi;
		/* In this order: packs, fences, leases, index, points. */
		had_fence[0] = fence[0];
		d_step { i = 0; do :: i < CONTAINERS -> there[i] = stored[i]; i++ :: else -> break od; i = 0 }
		d_step {
			w = 0;
			do
			:: w < W -> had_lease[w] = lease[w]; could_write[w] = lease[w] && !fence[w]; w++
			:: else -> break
			od;
			w = 0
		}
		d_step {
			/* Candidates: what the index names, and packs of sessions that have ended. */
			i = 0;
			do
			:: i < CONTAINERS ->
				going[i] = tombstone[i] != 0 || (there[i] && (named[i] ||
					(i != 0 && !could_write[0])));
				i++
			:: else -> break
			od;
			forget(there, CONTAINERS); forget(could_write, W)
		}
		d_step {
			goes_old = is_deleted;
			w = 0;
			do
			:: w < W ->
				goes[w] = point[w] && (is_hidden(w) || point_tombstone[w] != 0);
				if
				:: point[w] && !goes[w] && is_unverified(w) && !had_lease[w] ->
#ifdef BREAK_UNVERIFIED_GOES
					goes[w] = true
#else
					/* Nobody knows whether it was acknowledged: it stays if it is whole. */
					if
					:: is_torn[w] || !any_stored() -> goes[w] = true
					:: else -> is_verified[w] = true
					fi
#endif
				:: else
				fi;
				staying[w] = point[w] && !goes[w];
				w++
			:: else -> break
			od;
			w = 0
		}
		/* Of a point that is being verified a node may be gone, and nothing below it is marked. */
		d_step {
			do
			:: w < W -> passed_over[w] = staying[w] && !is_found(w); w++
			:: else -> break
			od;
			w = 0;
			live = !goes_old || (staying[0] && !passed_over[0])
		}
		if
		:: live ->
			/* One copy stays, any one that is not condemned already. */
			atomic {
				keeps = false;
				do
				:: i < CONTAINERS ->
					if
					:: going[i] && tombstone[i] == 0 && !keeps -> keeps = true; going[i] = false
					:: skip
					fi;
					i++
				:: else -> break
				od;
				i = 0
			}
			if :: !keeps -> goto next :: else fi
		:: else
		fi;
		/* Nobody takes them for a parent from now on. */
		d_step { w = 0; do :: w < W -> is_marked_deleted[w] = is_marked_deleted[w] || goes[w]; w++
			:: else -> break od; w = 0 }
		/* Condemn. */
		d_step {
			i = 0;
			do :: i < CONTAINERS ->
				if :: going[i] && tombstone[i] == 0 -> tombstone[i] = round :: else fi; i++
			:: else -> break od;
			i = 0;
			do :: w < W ->
				if :: goes[w] && point_tombstone[w] == 0 -> point_tombstone[w] = round :: else fi; w++
			:: else -> break od;
			w = 0;
			if :: goes_old && old_tombstone == 0 -> old_tombstone = round :: else fi
		}
		/* Every session that has a lease now may not know; this is kept with the tombstone. */
		waits[round] = (lease[0] -> 1 : 0);
		do
		:: w < W ->
			if
			:: lease[w] && !fence[w] && (waits[1] != 0 || waits[2] != 0 || waits[round] != 0) ->
				if
				:: skip		/* held for expired, rightly or not */
					if
					:: staying[w] && !passed_over[w] -> is_verified[w] = true
					:: else
					fi;
					fence[w] = true; fenced_now[w] = true;
					if :: skip :: goto next fi
				:: skip
				fi
			:: else
			fi;
			w++
		:: else -> break
		od;
		w = 0;
		d_step {
			i = 1;
			do
			:: i <= ROUNDS ->
				may_sweep[i] =
					(waits[i] == 0 || !lease[0] || fence[0]);
				i++
			:: else -> break
			od;
			i = 0
		}
		/* Mark again. */
		if :: skip :: goto next fi;
		list_again();
		/* What is listed was there before the fence of this prune. */
		do
		:: w < W ->
			if :: verifies[w] -> is_verified[w] = true :: else fi;
			w++
		:: else -> break
		od;
		w = 0;
		if
		:: live ->
			/* What is needed and has no other container is let go; it stays condemned. */
			d_step {
				keeps = false;
				do :: i < CONTAINERS -> keeps = keeps || (stored[i] && !is_swept(i)); i++
				:: else -> break od;
				i = 0;
				do
				:: i < CONTAINERS ->
					if
					:: !keeps && is_swept(i) && stored[i] ->
						going[i] = false
					:: else
					fi;
					i++
				:: else -> break
				od;
				i = 0
			}
		:: else
		fi;
		/* The points, then the containers. Their names in the index do no harm as long as there are tombstones. */
		do
		:: w < W ->
			if
			:: goes[w] && may_sweep[point_tombstone[w]] -> atomic { point[w] = false; check() }
			:: else
			fi;
			w++
		:: else -> break
		od;
		w = 0;
		do
		:: i < CONTAINERS ->
			if
			:: is_swept(i) -> atomic {
				is_torn[0] = is_torn[0] || (stored[i] && lease[0] && fence[0] && !condemned[i] &&
					!counts[0] && !is_whole[0]);
				stored[i] = false; check() }
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		if :: skip :: goto next fi;
		/* When every session that may not know has ended, fenced or not: the index, then the
		 * tombstones. */
		d_step {
			i = 1;
			do
			:: i <= ROUNDS ->
				may_sweep[i] = may_sweep[i] &&
					(waits[i] == 0 || !lease[0]);
				i++
			:: else -> break
			od;
			i = 0
		}
		d_step {
			do :: i < CONTAINERS -> if :: is_swept(i) -> named[i] = false :: else fi; i++
			:: else -> break od;
			i = 0
		}
		bury();
		/* A fence on which nothing depends any more. */
		if
		:: had_fence[0] && !had_lease[0] && !is_listed_unverified -> fence[0] = false
		:: else
		fi;
next:
		skip;
		d_step {
			live = false; keeps = false; goes_old = false; is_listed_unverified = false;
			forget(had_fence, W);
			forget(going, CONTAINERS); forget(had_lease, W);
			forget(goes, W); forget(staying, W); forget(passed_over, W); forget(fenced_now, W);
			forget(verifies, W); forget(counts, W); forget(may_sweep, ROUNDS + 1); i = 0
		}
	od
}

init {
	atomic {
		stored[0] = true;
		named[0] = true;
		run writer(0); run administrator(); run pruner()
	}
}
