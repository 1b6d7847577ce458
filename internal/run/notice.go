package run

import "time"

// NoticeKind is what a notice is about.
type NoticeKind string

// The kinds of notices.
const (
	NoticePlanReview    NoticeKind = "plan_review"        // a plan was riskier than --max-risk allows
	NoticeApplied       NoticeKind = "applied"            // a run changed accounts
	NoticeIncomplete    NoticeKind = "incomplete"         // some changes failed or differ
	NoticeWithheld      NoticeKind = "withheld"           // a brake withholds something
	NoticeNewRejections NoticeKind = "new_rejections"     // addresses are rejected that were not before
	NoticeOverdue       NoticeKind = "overdue"            // entries have waited too long for another directory
	NoticeFailed        NoticeKind = "failed"             // a run ended with an error
	NoticeCredentials   NoticeKind = "credentials_expire" // a password, certificate or token is about to expire
	NoticeDrift         NoticeKind = "drift"              // the console was changed by hand
)

// NoticeKinds are all kinds, in the order in which people are shown them.
var NoticeKinds = []NoticeKind{
	NoticePlanReview, NoticeApplied, NoticeIncomplete, NoticeWithheld, NoticeNewRejections, NoticeOverdue, NoticeFailed, NoticeCredentials, NoticeDrift,
}

// Phase says why a notice is sent now.
type Phase string

// The phases of a condition, and of an event, which has just one.
const (
	Happened Phase = "happened" // an event
	Begins   Phase = "begins"
	Changes  Phase = "changes"
	Stands   Phase = "stands" // as before, after the time of repeat
	Over     Phase = "over"
)

// Notice is what people are to be told.
type Notice struct {
	Kind  NoticeKind `json:"kind"`
	Phase Phase      `json:"phase"`
	// Since is when the condition began; the time of the run for an event.
	Since time.Time `json:"since"`
	// Title says it in a few words, and Lines in sentences.
	Title string   `json:"title"`
	Lines []string `json:"lines"`
	// Items are the first of what there is, Count how many there are.
	Items []NoticeItem `json:"items"`
	Count int          `json:"count"`
	// Command shows all of them, and Next is the command that somebody may want to run.
	Command string `json:"command"`
	Next    string `json:"next"`
}

// NoticeItem is one account, or an entry that has none, and what about it. What does
// not apply is "".
type NoticeItem struct {
	// Account is a primary, or a DN where there is none, Entry the DN of an entry, and
	// Address the one in question.
	Account string `json:"account"`
	Entry   string `json:"entry"`
	Address string `json:"address"`
	// Reason is a code, such as a reason of rejections, Rule what gives it, and Other
	// who else has a part in it.
	Reason string `json:"reason"`
	Rule   string `json:"rule"`
	Other  string `json:"other"`
	// Text says in a sentence what is the case, and Remedy what to do.
	Text   string `json:"text"`
	Remedy string `json:"remedy"`
}

// Message is a notice on its way to a channel.
type Message struct {
	// ID stays the same however often the message is sent.
	ID      string    `json:"id"`
	Channel string    `json:"channel"`
	Filed   time.Time `json:"filed"`
	// Run is the number of the run in the history, 0 where that has none. Host and
	// Configuration, a folder, say where it ran, and Console, the label of a block, on
	// what.
	Run           int    `json:"run"`
	Host          string `json:"host"`
	Configuration string `json:"configuration"`
	Console       string `json:"console"`
	Notice
	// Redacted says that names are masked.
	Redacted bool `json:"redacted"`
	// Delivered are the recipients that have it already, of a message to several.
	Delivered []string `json:"delivered"`
}

// Condition is what a channel was told and that still stands.
type Condition struct {
	Channel string     `json:"channel"`
	Kind    NoticeKind `json:"kind"`
	// Key tells conditions of one kind apart.
	Key   string    `json:"key"`
	Since time.Time `json:"since"`
	Told  time.Time `json:"told"`
	// Sum is equal as long as the condition is the same. Members are what it is made of,
	// where only a new one is a change.
	Sum     string   `json:"sum"`
	Members []string `json:"members"`
	// Title is the last one, in which names are masked if it is redacted.
	Title    string `json:"title"`
	Redacted bool   `json:"redacted"`
}

// Outbox is what is to be sent, and what was told already.
type Outbox struct {
	Conditions []Condition `json:"conditions"`
	Messages   []Message   `json:"messages"`
	// Held are the channels whose servers have asked to wait, and until when.
	Held map[string]time.Time `json:"held"`
	// Draft is what becomes of the conditions, and what is sent beside the messages, if
	// a run turns out to have changed something; nil for none.
	Draft *Draft `json:"draft"`
}

// Draft belongs to the run of a number in the history.
type Draft struct {
	Run        int         `json:"run"`
	Conditions []Condition `json:"conditions"`
	Messages   []Message   `json:"messages"`
}
