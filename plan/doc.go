// Package plan decides what a synchronization would change. It is a pure
// function: [Compute] takes the rules of the configuration, the entries that
// the directories returned, the accounts that the console has and the names of
// the directories that were read completely, and returns a [Plan]. It reads no
// file, no clock and no network, and the order of its inputs does not matter.
//
// # The model
//
// Each address that an entry lists, once it is known to be well-formed and in a
// domain of the scope, is a claim. A claim either stands or has one reason why
// it does not. The phases run in this order, each in a file of its own:
//
//	claims.go    values become addresses, addresses become claims; domains.go
//	             reads their domains
//	bind.go      entries and accounts find each other, by GUID, then by primary
//	holders.go   what an account holds already may keep a claim from an entry;
//	             each entry gets its primary
//	contest.go   claims of several entries on one address; who loses is stuck,
//	             and what is stuck or frozen keeps its addresses
//	unsupported.go
//	             what the console cannot hold is stuck, too
//	console.go   the accounts afterwards; protected and held ones
//	select.go    the part of that which is wanted, where that is not all
//	brakes.go    what each directory would lose, and what of it is withheld
//	rows.go      the difference, address by address, then account by account
//	losses.go    why an address is in service nowhere any more
//
// Nothing that a phase has rejected is given back by a later one, so that the
// outcome does not depend on the order in which entries are looked at.
//
// # Who an entry's account is
//
//	entry's GUID is the owner of      and                                   then
//	an account, same directory                                              bound
//	an account, other directory       that was read or is undeclared, and   bound (directory switch)
//	                                  nobody else carries the GUID
//	                                  otherwise                             other_directory, whole
//	no account                        a local account records it, nobody
//	                                  else carries it, scope adopts         bound (adoption)
//	                                  its declared primary is that of
//	                                  a local account, scope adopts         bound (adoption)
//	                                  an orphan, scope rebinds              bound (GUID change)
//	                                  an orphan                             guid_changed, whole
//	                                  none of these                         new account
//
// No local account is adopted by its primary that records the GUID of another
// entry which somebody else has, too, and none that is on hold.
//
// # Brakes
//
// A directory with one count over its limit loses nothing in this run but what
// others were granted:
//
//	of an account that was active          while its directory is braked
//	an address that nobody was granted     stays with it
//	its status                             stays
//	its primary, if nobody was granted it  stays; the entry's joins as an alias
//	its record, if its primary went        stays, with the least address that is
//	to somebody else                       left as its primary, if there is one
//
// Additions, moves and all else go ahead, so that a second plan changes nothing and
// the run that is allowed ends as if there had been no brake, but for the inactive
// records of accounts whose primary went to somebody else, and for accounts that an
// address on legal hold or a protected one has joined meanwhile.
//
// # What the holder of an address answers to a claim
//
// The first line that fits, for a holder that is not the entry's own account:
//
//	on legal hold                                        legal_hold
//	active, address protected                            protected_primary_to_alias, protected_move
//	inactive, not bound    local                         preexisting_address
//	                       unread                        other_directory
//	                       otherwise                     free
//	local, not adopted     its primary                   preexisting_address
//	                       its alias                     local_primary_not_adopted
//	unread                                               other_directory
//	bound to an entry that claims the address too        preexisting_address, other_directory
//	anything else                                        free
//
// # Consoles
//
// Where a product has the accounts, [Merge] makes those that the engine works on
// of them and of the ledger, which has what was asked for. What it says beside the
// accounts the engine reads in [Merged]:
//
//	foreign     a local account that no entry adopts
//	barred      frozen; its entry is stuck, and each claim of it that still stands
//	            and is not in place is console_unsupported
//	reserved    addresses that an inactive account has all the same: nobody is
//	            granted one. Of one that another account has, too, nothing is
//	            granted, not even what is in place
//	remembered  addresses that were removed by hand. One on legal hold has its account
//	            on hold, whoever has it now. A protected one that nobody has
//	            stays with its account as if it had it, and comes back
//	gone        records of accounts that are not there any more. They go with a
//	            removal row, if their directory was read or is not declared, no
//	            object of it has their GUID, and none of their addresses is on hold
//	temporary   primaries of accounts that a run has left in the middle of a move.
//	            An orphan that has one goes, as if its own were granted now
//
// What [Facts] say that the console cannot do makes an entry stuck whose account
// would change to that; what an account is already it may stay. Every claim of the
// entry that still stands is console_unsupported:
//
//	types               an account of that type, new or of another type before
//	rename, ref_stable  another primary of an account that is there
//	max_aliases         other aliases, and more of them
//	domains             an address in another domain that the account does not have
//	deleted_blocks_for  an address that the account does not have and that a removal
//	                    freed lately; the primary of an orphan; where inactive
//	                    accounts are removed, an alias of one that becomes inactive
//
// A row takes drift back if it makes something again what it is in the ledger: an
// address joins an account that has it there, or leaves one that has it not; or a
// field gets the value that it has there. What the ledger does not know, and the
// record of an account that is gone, is no drift that is taken back. An account
// that has drifted, and of which the directory wants nothing else, is named in
// [Plan.Agreed], so that the ledger learns it and it is not reported again.
//
// # Three kinds of rejection
//
// An entry is rejected whole when nothing of it can be granted (no GUID of its
// own, a changed GUID, no possible primary, a legal hold); its claims still
// contend with those of others, and cannot win. An entry is stuck when it loses
// the primary it would have had to another entry. An account is frozen when
// this run leaves it exactly as it is; both kinds of entry freeze theirs.
package plan
