import { TercetError } from '@tercet/contracts';
import type { Express, Request, Response } from 'express';
import { sendError } from './error-body.js';

/** Answers what the routes before it did not take. @param allow for the header of that name */
export function onlyMethods(allow: string): (request: Request, response: Response) => void {
  return ({ method, path }, response) => {
    response.setHeader('Allow', allow);
    sendError(response, new TercetError('method_not_allowed', { method, path }));
  };
}

type Method = 'get' | 'post' | 'delete';

/** Routes by path and method. */
export type RouteTable<Route> = Readonly<Record<string, Partial<Record<Method, Route>>>>;

export interface Exchange {
  readonly request: Request;
  readonly response: Response;
}

/** Adds the routes of a table, which `reply` answers; other methods of their paths are refused. */
export function addRoutes<Route>(
  app: Express,
  table: RouteTable<Route>,
  reply: (exchange: Exchange, route: Route) => Promise<void>,
): void {
  for (const [path, methods] of Object.entries(table)) {
    for (const [method, route] of Object.entries(methods)) {
      app[method as Method](path, (request, response) => reply({ request, response }, route));
    }
    const allowed = Object.keys(methods).map((method) => (method === 'get' ? 'GET, HEAD' : method.toUpperCase()));
    app.all(path, onlyMethods(allowed.join(', ')));
  }
}
