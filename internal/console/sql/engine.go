package sql

import (
	"context"
	"maps"
	"slices"
)

// transactional makes sure that tables have transactions: those with the names, which are
// in lower case, in the database or in one that is among the names, too. Views are looked
// into. All tables of PostgreSQL have them.
func (a asker) transactional(ctx context.Context, names []string) error {
	if a.d.postgres {
		return nil
	}
	asked := map[string]bool{}
	for len(names) > 0 {
		for _, name := range names {
			asked[name] = true
		}
		var schemas []string
		err := a.each(ctx, "SELECT schema_name FROM information_schema.schemata WHERE schema_name = DATABASE() OR schema_name IN ("+marks(len(names))+")", values(names), func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			schemas = append(schemas, name)
			return err
		})
		if err != nil {
			return err
		}
		within := map[string]bool{}
		for _, schema := range schemas {
			if err := a.transactionalIn(ctx, schema, names, within); err != nil {
				return err
			}
		}
		maps.DeleteFunc(within, func(name string, _ bool) bool { return asked[name] })
		names = slices.Collect(maps.Keys(within))
	}
	return nil
}

// transactionalIn does so in one database, and adds the names that views have in them.
func (a asker) transactionalIn(ctx context.Context, schema string, names []string, within map[string]bool) error {
	const query = `SELECT t.table_name, t.table_type = 'VIEW', coalesce(t.engine, 'none'), coalesce(e.transactions, 'NO') = 'YES', coalesce(v.view_definition, '')
FROM information_schema.tables t
LEFT JOIN information_schema.engines e ON e.engine = t.engine
LEFT JOIN information_schema.views v ON v.table_schema = ? AND v.table_name = t.table_name
WHERE t.table_schema = ? AND t.table_type <> 'SYSTEM VIEW' AND t.table_name IN (`
	args := append([]any{schema, schema}, values(names)...)
	return a.each(ctx, query+marks(len(names))+")", args, func(scan func(...any) error) error {
		var table, engine, definition string
		var view, transactions bool
		if err := scan(&table, &view, &engine, &transactions, &definition); err != nil {
			return err
		}
		switch {
		case view && definition == "":
			return viewError{table}
		case view:
			s, err := parseStatement(definition, a.d)
			if err != nil {
				return viewError{table}
			}
			maps.Copy(within, s.words)
		case !transactions:
			return engineError{table, engine}
		}
		return nil
	})
}
