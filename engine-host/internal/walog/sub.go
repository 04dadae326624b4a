package walog

import waLog "go.mau.fi/whatsmeow/util/log"

// Sub returns the logger of a part of whatsmeow. Parts of parts keep the outermost name.
func (l *Logger) Sub(module string) waLog.Logger {
	if l.module != "" {
		module = l.module
	}
	return &Logger{log: l.log, module: module, hooks: l.hooks}
}
