import { LineChart } from "echarts/charts";
import { GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import * as echarts from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";
import type { TrendSeries } from "./api";
import { breakdownLabel } from "./format";

echarts.use([LineChart, GridComponent, LegendComponent, TooltipComponent, CanvasRenderer]);

/** Series over time as lines. */
export function Chart({ series }: { series: TrendSeries[] }) {
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
    const many = series.length > 1;
    chart.current?.setOption(
      {
        animation: false,
        grid: { left: 8, right: 16, top: many ? 36 : 12, bottom: 4, containLabel: true },
        tooltip: { trigger: "axis" },
        legend: { show: many, top: 0, type: "scroll" },
        xAxis: { type: "category", boundaryGap: false, data: series[0]?.labels ?? [] },
        yAxis: { type: "value", minInterval: 1 },
        series: series.map((each) => ({
          type: "line",
          name: many ? breakdownLabel(each.breakdown_value, each.label) : each.label,
          data: each.data,
          smooth: false,
          showSymbol: false,
          areaStyle: many ? undefined : { opacity: 0.12 },
        })),
      },
      { notMerge: true },
    );
  }, [series]);

  return <div className="chart" ref={place} role="img" aria-label="Line chart of the trend" />;
}
