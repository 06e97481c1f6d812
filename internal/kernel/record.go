package kernel

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
)

// recordSize is the size at which a record's file is begun anew.
const recordSize = 64 << 10

// AppendRecord puts a record (one line of text, such as JSON) on disk, in the
// place of those before it in the file. It costs one write where a new file
// would cost an inode, a rename and, on ext4, an early flush. Whoever is
// killed in the middle has not recorded; what else appends meanwhile is kept.
// It does not survive a loss of power.
func AppendRecord(path string, line []byte) error {
	// The line before may have been broken off.
	data := append(append([]byte{'\n'}, line...), '\n')
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > recordSize {
		err = os.WriteFile(path+".new", data, 0o600)
		return errors.Join(err, f.Close(), os.Rename(path+".new", path))
	}
	if err == nil {
		_, err = f.Write(data)
	}
	return errors.Join(err, f.Close())
}

// LastRecord reads what AppendRecord wrote last; fs.ErrNotExist if there is
// none.
func LastRecord(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	data = data[:bytes.LastIndexByte(data, '\n')+1] // but for one that was broken off
	data = bytes.TrimRight(data, "\n")
	if len(data) == 0 {
		return nil, &fs.PathError{Op: "read record", Path: path, Err: fs.ErrNotExist}
	}
	return data[bytes.LastIndexByte(data, '\n')+1:], nil
}
