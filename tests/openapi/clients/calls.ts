// Calls Stocky with the types that openapi-typescript made, and prints what came back as JSON.
// The compiler checks every call against the document; `calls.py` makes the same calls.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { env: Record<string, string> };
const { STOCKY_URL: baseUrl, STOCKY_KEY: key, STOCKY_PASSWORD: password, STOCKY_PICTURE: picture } = process.env;
const client = createClient<paths>({ baseUrl, headers: { "X-API-Key": key } });
const pixel = Uint8Array.from(picture.match(/../g)!, (each) => parseInt(each, 16));

function the<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

const signedIn = the(
  await client.POST("/api/v1/auth/login", {
    body: { username: "member", password },
    bodySerializer: (body) => new URLSearchParams(body as Record<string, string>),
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
  }),
);
const me = the(
  await client.GET("/api/v1/auth/me", {
    headers: { "X-API-Key": null, Authorization: `Bearer ${signedIn.access_token}` },
  }),
);
const item = the(await client.POST("/api/v1/items", { body: { name: "Coffee by TypeScript", upc: "5901234123457" } }));
const shelf = the(
  await client.POST("/api/v1/locations", { body: { name: "Shelf of TypeScript", storage_type: "pantry" } }),
);
const newSku: components["schemas"]["NewSku"] = { item_id: item.id, location_id: shelf.id, quantity: 2.5 };
const sku = await client.POST("/api/v1/skus", { body: newSku });
const again = await client.POST("/api/v1/skus", { body: { ...newSku, quantity: 1 } });
const changed = the(
  await client.PATCH("/api/v1/items/{item_id}", {
    params: { path: { item_id: item.id } },
    body: { min_quantity: 10, tags: ["beans"] },
  }),
);
const adjusted = the(
  await client.POST("/api/v1/skus/{sku_id}/adjust", {
    params: { path: { sku_id: the(sku).id } },
    body: { delta: -0.5 },
  }),
);
const posted = the(
  await client.POST("/api/v1/events", {
    body: {
      events: [
        {
          type: "add",
          item: { id: item.id },
          location: { name: "Shelf of TypeScript" },
          quantity: 0.3,
          occurred_at: "2026-01-31T12:00:00Z",
        },
      ],
    },
  }),
);
const state = the(
  await client.PUT("/api/v1/scanner/{scanner_id}/state", {
    params: { path: { scanner_id: "typescript" } },
    body: { mode: "remove", location_id: shelf.id },
  }),
);
const scanned = the(
  await client.POST("/api/v1/scanner/scan", { body: { upc: "5901234123457", scanner_id: "typescript" } }),
);
const listed = the(
  await client.GET("/api/v1/skus", {
    params: { query: { item_id: item.id, low_stock: true, expand: "item,location", sort: "-quantity" } },
  }),
);
const events = the(
  await client.GET("/api/v1/events", { params: { query: { item_id: item.id, type: "remove" } } }),
);
const found = the(await client.GET("/api/v1/search", { params: { query: { q: "coffee by typescript" } } }));
const list = the(await client.POST("/api/v1/shopping-lists", { body: { name: "List of TypeScript" } }));
const entry = the(
  await client.POST("/api/v1/shopping-lists/{list_id}/items", {
    params: { path: { list_id: list.id } },
    body: { text: "Napkins" },
  }),
);
const document = the(
  await client.POST("/api/v1/documents", {
    body: { file: "", item_id: String(item.id), name: "Front" },
    bodySerializer: (body) => {
      const form = new FormData();
      form.set("file", new Blob([pixel], { type: "image/png" }), "picture.png");
      form.set("item_id", body.item_id!);
      form.set("name", body.name!);
      return form;
    },
  }),
);
const content = the(
  await client.GET("/api/v1/documents/{document_id}/content", {
    params: { path: { document_id: document.id } },
    parseAs: "arrayBuffer",
  }),
);
const missing = await client.GET("/api/v1/items/{item_id}", { params: { path: { item_id: 987654 } } });
const kept = await client.DELETE("/api/v1/locations/{location_id}", { params: { path: { location_id: shelf.id } } });

console.log(
  JSON.stringify({
    me: [me.username, me.role],
    item: [item.name, item.upc, item.min_quantity],
    statuses: [sku.response.status, again.response.status],
    changed: [changed.min_quantity, changed.tags, changed.version - item.version],
    adjusted: adjusted.quantity,
    posted: [posted.applied, posted.results[0].status, posted.results[0].quantity_after],
    state: [state.mode, state.location_name],
    scanned: [scanned.success, scanned.event!.delta, scanned.skus[0].quantity],
    listed: listed.map((each) => [each.item!.name, each.location!.name, each.quantity]),
    events: [events.events.length, !isNaN(Date.parse(events.events[0].recorded_at))],
    found: found.map((each) => [each.name, each.match.kind]),
    entry: [entry.item.name, entry.item.id, entry.quantity],
    picture: [document.kind, document.name, new Uint8Array(content).every((each, index) => each === pixel[index])],
    missing: [missing.error!.status, missing.error!.type],
    kept: [kept.error!.status, kept.error!.type],
  }),
);
