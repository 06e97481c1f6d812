package access

import (
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// holder is whose policies decide about a principal: its role, or the user.
type holder struct {
	id       string // aws:userid
	inline   []model.InlinePolicy
	attached []string
	boundary string
	tags     []model.Tag
}

// holderOf finds whose policies decide about a principal.
func holderOf(r store.Reader, p ident.Principal) (holder, bool) {
	if p.Role != "" {
		role, ok := state.Roles.One(r, "arn", p.Role)
		return holder{role.ID + ":" + p.Session, role.Inline, role.Attached, role.Boundary, role.Tags}, ok
	}
	u, ok := state.Users.One(r, "arn", p.ARN)
	if !ok {
		return holder{}, false
	}
	h := holder{u.ID, u.Inline, u.Attached, u.Boundary, u.Tags}
	for _, name := range u.Groups {
		g, _ := state.Groups.Get(r, name)
		h.inline = append(h.inline[:len(h.inline):len(h.inline)], g.Inline...)
		h.attached = append(h.attached[:len(h.attached):len(h.attached)], g.Attached...)
	}
	return h, true
}
