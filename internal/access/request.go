package access

import (
	"fmt"
	"time"
)

// Request names one HTTP request, in problem documents, in the audit record,
// in the log and as the rid of answers in WeChat's manner: the same text
// everywhere. It becomes text only where that is wanted.
type Request struct {
	At    time.Time // when it came
	Boot  uint32    // drawn when the process started
	Count uint32
}

// String gives WeChat's own form, which begins with the Unix time:
// "6aac005a-01bfdbee-79769285".
func (r Request) String() string {
	return fmt.Sprintf("%08x-%08x-%08x", uint32(r.At.Unix()), r.Boot, r.Count)
}
