package kernel

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Own is the network namespace that a process lives in, of which all belongs to others but
// one device and one nftables table, both of the same name.
type Own struct {
	Space
	space *linuxSpace
	name  string
}

// OpenOwn opens the namespace of the calling thread, which is that of this process
// but in Do; its filter is the table name.
func OpenOwn(name string) (*Own, error) {
	n, err := OpenNetns("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	s := &linuxSpace{ns: n, table: name, index: map[string]int{}}
	return &Own{Space: s, space: s, name: name}, nil
}

// Clear removes the device and the table; what is not there is success.
func (o *Own) Clear() error {
	tables, err := o.Tables()
	if err == nil && slices.Contains(tables, o.title()) {
		err = dropTable(o.space.nf, o.name)
	}
	return errors.Join(o.DeleteLink(o.name), err)
}

// title is what Tables calls the own table.
func (o *Own) title() string { return title(tableOf(o.name)) }

func title(t *nftables.Table) string { return fmt.Sprintf("%s of family %d", t.Name, t.Family) }

// WayOut is the device of the default route, "" if there is none, and whether what
// comes in there is forwarded.
func (o *Own) WayOut() (dev string, forwards bool, err error) {
	h, err := o.space.netlink()
	if err != nil {
		return "", false, err
	}
	list, err := h.RouteListFiltered(unix.AF_INET, &netlink.Route{Table: MainTable}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return "", false, err
	}
	for _, r := range list {
		if ones, _ := maskOf(r); ones != 0 {
			continue
		}
		link, err := h.LinkByIndex(r.LinkIndex)
		if err != nil {
			return "", false, err
		}
		dev = link.Attrs().Name
		err = o.space.ns.Do(func() error {
			b, err := os.ReadFile(filepath.Join("/proc/sys/net/ipv4/conf", dev, "forwarding"))
			forwards = strings.TrimSpace(string(b)) == "1"
			return err
		})
		return dev, forwards, err
	}
	return "", false, nil
}

func maskOf(r netlink.Route) (ones, bits int) {
	if r.Dst == nil {
		return 0, 32
	}
	return r.Dst.Mask.Size()
}

// Networks are the addresses that the namespace's devices have, but for our own's.
func (o *Own) Networks() ([]netip.Prefix, error) {
	p, err := o.Look()
	if err != nil {
		return nil, err
	}
	var out []netip.Prefix
	for _, a := range p.Addresses {
		if a.Dev != o.name {
			out = append(out, a.Prefix)
		}
	}
	return out, nil
}

// tableName is the nftables table of the space's filter.
func (s *linuxSpace) tableName() string { return cmp.Or(s.table, tableName) }

// Tables are the nftables tables of the namespace, whoever's they are, in order.
func (o *Own) Tables() ([]string, error) {
	conn, err := o.space.nftables()
	if err != nil {
		return nil, err
	}
	list, err := conn.ListTables()
	var out []string
	for _, t := range list {
		out = append(out, title(t))
	}
	slices.Sort(out)
	return out, err
}
