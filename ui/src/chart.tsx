import { BarChart, LineChart, SankeyChart } from "echarts/charts";
import { GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";
import type { PathEdge, TrendSeries } from "./api";
import { breakdownLabel, stepName } from "./format";

echarts.use([LineChart, BarChart, SankeyChart, GridComponent, LegendComponent, TooltipComponent, CanvasRenderer]);

/** A place for a chart that grows and shrinks with the window. */
function Drawing({ option, label }: { option: echarts.EChartsCoreOption; label: string }) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<echarts.ECharts | null>(null);

  useEffect(() => {
    if (!place.current) {
      return;
    }
    const made = echarts.init(place.current);
    chart.current = made;
    const observer = new ResizeObserver(() => made.resize());
    observer.observe(place.current);
    return () => {
      observer.disconnect();
      made.dispose();
      chart.current = null;
    };
  }, []);

  useEffect(() => {
    chart.current?.setOption({ animation: false, ...option }, { notMerge: true });
  }, [option]);

  return <div className="chart" ref={place} role="img" aria-label={label} />;
}

const INK = "#8296a1";

function overTime(series: TrendSeries[], each: (one: TrendSeries, many: boolean) => object): echarts.EChartsCoreOption {
  const many = series.length > 1;
  return {
    grid: { left: 8, right: 16, top: many ? 36 : 12, bottom: 4, containLabel: true },
    tooltip: { trigger: "axis" },
    legend: { show: many, top: 0, type: "scroll", textStyle: { color: INK } },
    xAxis: { type: "category", data: series[0]?.labels ?? [] },
    yAxis: { type: "value", minInterval: 1, splitLine: { lineStyle: { opacity: 0.25 } } },
    series: series.map((one) => each(one, many)),
  };
}

/** Series over time as lines. */
export function Lines({ series }: { series: TrendSeries[] }) {
  const option = overTime(series, (one, many) => ({
    type: "line",
    name: many ? breakdownLabel(one.breakdown_value, one.label) : one.label,
    data: one.data,
    smooth: false,
    showSymbol: false,
    areaStyle: many ? undefined : { opacity: 0.12 },
  }));
  return <Drawing option={option} label="Line chart of the trend" />;
}

/** Series over time as bars on one another. */
export function Bars({ series, label }: { series: TrendSeries[]; label: string }) {
  const option = overTime(series, (one) => ({ type: "bar", stack: "all", name: one.label, data: one.data }));
  return <Drawing option={option} label={label} />;
}

/** Ways through the product, from left to right. */
export function Flow({ edges }: { edges: PathEdge[] }) {
  const names = [...new Set(edges.flatMap((edge) => [edge.source, edge.target]))];
  const option = {
    tooltip: { trigger: "item" },
    series: [
      {
        type: "sankey",
        left: 8,
        right: 180,
        nodeGap: 10,
        data: names.map((name) => ({ name })),
        links: edges.map(({ source, target, value }) => ({ source, target, value })),
        label: { color: INK, formatter: ({ name }: { name: string }) => stepName(name) },
        lineStyle: { color: "source", opacity: 0.3 },
      },
    ],
  };
  return <Drawing option={option} label="Flow of people from page to page" />;
}
