// Beside this file, wherever a proxy puts it. A validator would be asked over the internet; there is none.
const url = new URL("../../api/v1/openapi.json", document.currentScript.src).href;
SwaggerUIBundle({ url, dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null });
