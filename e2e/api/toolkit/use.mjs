// Uses PostHog's own toolkit for its API: it checks what it gets against schemas of its own.
import { PostHogAgentToolkit } from '@posthog/agent-toolkit'

const toolkit = new PostHogAgentToolkit({ posthogApiToken: process.env.AQUEDUCT_KEY, posthogApiBaseUrl: process.env.AQUEDUCT_URL })
const context = toolkit.getContext()
const tools = Object.fromEntries((await toolkit.getTools()).map((tool) => [tool.name, tool]))

async function use(name, args = {}) {
    if (!tools[name]) throw new Error(`no ${name} among ${Object.keys(tools)}`)
    const answer = await tools[name].handler(context, args)
    const text = (answer.content ?? []).map((part) => part.text).join('\n')
    if (answer.isError || /^Error/.test(text)) throw new Error(`${name}: ${text}`)
    return text
}

function holds(text, ...words) {
    for (const word of words) if (!text.includes(word)) throw new Error(`expected ${word} in ${text.slice(0, 2000)}`)
}

const projectId = Number(process.env.AQUEDUCT_PROJECT)
holds(await use('organizations-get'), 'id')
holds(await use('projects-get'), String(projectId))
await use('switch-project', { projectId })
holds(await use('event-definitions-list'), 'bought')
holds(await use('properties-list', { type: 'event', eventName: 'bought' }), 'n')

const source = { kind: 'HogQLQuery', query: "SELECT count() FROM events WHERE event = 'bought'", filters: {} }
const query = { kind: 'DataVisualizationNode', source }
holds(await use('query-run', { query }), '2500')
const insight = await use('insight-create-from-query', { data: { name: 'Bought', query, favorited: true, tags: ['a'] } })
holds(insight, 'Bought')
const shortId = insight.match(/short_id"?\s*[:=]\s*"?([A-Za-z0-9]{8})/)[1]
holds(await use('insights-get-all', {}), 'Bought', 'Sales')
holds(await use('insight-get', { insightId: shortId }), 'Bought')
holds(await use('insight-update', { insightId: shortId, data: { name: 'Bought by all' } }), 'Bought by all')
holds(await use('insight-query', { insightId: shortId }), '2500')

const dashboard = await use('dashboard-create', { data: { name: 'Board', pinned: true } })
const dashboardId = Number(dashboard.match(/\bid"?\s*[:=]\s*"?(\d+)/)[1])
await use('add-insight-to-dashboard', { data: { insightId: shortId, dashboardId } })
holds(await use('dashboard-get', { dashboardId }), 'Bought by all')
holds(await use('dashboards-get-all', {}), 'Board')
await use('dashboard-update', { dashboardId, data: { name: 'Wall' } })
await use('insight-delete', { insightId: shortId })
await use('dashboard-delete', { dashboardId })
const left = await use('dashboards-get-all', {})
if (left.includes('Wall')) throw new Error(`the dashboard is still there: ${left}`)
console.log('ok')
