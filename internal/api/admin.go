package api

import (
	"net/http"
	"slices"

	"github.com/hufu-project/hufu/internal/access"
	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/web"
)

// putApp answers PUT /v1/apps/{app}: the app as the configuration file would
// declare it, as JSON. The answer is the app without its secrets.
func (a *api) putApp(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	id := credential.App(r.PathValue("app"))
	body, err := web.Body(w, r)
	if err != nil {
		return err
	}
	app, wrong := config.DecodeApp(body)
	if app.AppID != "" && app.AppID != id {
		wrong = web.BadRequest("the body names another app than the path", "leave appid out of the body")
	}
	app.AppID = id
	if app.Name == "" {
		app.Name = string(id)
	}
	if wrong == nil {
		wrong = a.Registry.CheckApp(app)
	}
	act := access.Act{Name: "put_app", Key: credential.Key{App: id}}
	err = a.Guard.Do(c, act, wrong, func() error { return a.Registry.PutApp(r.Context(), app) })
	if err != nil {
		return err
	}
	return writeJSON(w, app)
}

// deleteApp answers DELETE /v1/apps/{app}.
func (a *api) deleteApp(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	id := credential.App(r.PathValue("app"))
	act := access.Act{Name: "delete_app", Key: credential.Key{App: id}}
	err := a.Guard.Do(c, act, a.Registry.AppWritable(id), func() error { return a.Registry.DeleteApp(r.Context(), id) })
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// putClient answers PUT /v1/clients/{name}, as putApp does. Nobody gives a
// client apps that it may not use itself.
func (a *api) putClient(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	name := r.PathValue("name")
	body, err := web.Body(w, r)
	if err != nil {
		return err
	}
	client, wrong := config.DecodeClient(body)
	if client.Name != "" && client.Name != name {
		wrong = web.BadRequest("the body names another client than the path", "leave name out of the body")
	}
	client.Name = name
	if wrong == nil {
		wrong = a.Registry.CheckClient(client)
	}
	act := access.Act{Name: "put_client", Client: name, Apps: slices.Concat(a.appsOf(name), client.Apps), Granted: &client}
	err = a.Guard.Do(c, act, wrong, func() error { return a.Registry.PutClient(r.Context(), client) })
	if err != nil {
		return err
	}
	return writeJSON(w, client)
}

// deleteClient answers DELETE /v1/clients/{name}.
func (a *api) deleteClient(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	name := r.PathValue("name")
	act := access.Act{Name: "delete_client", Client: name, Apps: a.appsOf(name)}
	err := a.Guard.Do(c, act, a.Registry.ClientWritable(name), func() error { return a.Registry.DeleteClient(r.Context(), name) })
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// appsOf is the apps of a client as it is now; none where there is none.
func (a *api) appsOf(name string) []credential.App {
	if c, ok := a.Registry.Client(name); ok {
		return c.Apps
	}
	return nil
}
