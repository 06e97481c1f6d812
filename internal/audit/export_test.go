package audit

// SetMost makes the files of a log smaller.
func SetMost(l *Log, most int64) { l.most = most }
