// Package render shows plans, accounts and differences to people and to their
// spreadsheets. Its functions take a writer and a value; they choose words,
// columns and colours, and decide nothing.
//
// # What a reader can rely on
//
// Text written for a terminal is a column of signs and what they stand for:
//
//	~  a change of what is there
//	+  an address that comes into service, or an account that does
//	-  an address that goes out of service
//	.  a change that is left out
//	!  a rejection
//	*  what somebody changed in the console by hand
//
// so that it reads the same without colour. The address that a row is about is
// never shortened; other cells are, in their middle, when the width demands it.
// Values come from directories, where anybody may have written them: whatever a
// terminal would act upon, or would not show, appears as a visible escape such
// as \x1b or \u202e, and a CSV cell never starts a formula.
//
// # How a table finds its layout
//
// Every cell is measured in terminal cells, grapheme by grapheme. A table that
// is too wide for its page gives way in this order: account addresses lose the
// domain that they share with the row's address (ann@), cells are shortened down
// to the least that is of use, columns that only help are left out, and last the
// other cells move to lines of their own below the address.
package render
