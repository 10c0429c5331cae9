import { TercetError } from '@tercet/contracts';
import type { Request, Response } from 'express';
import { sendError } from './error-body.js';

/** Answers what the routes before it did not take. @param allow for the header of that name */
export function onlyMethods(allow: string): (request: Request, response: Response) => void {
  return ({ method, path }, response) => {
    response.setHeader('Allow', allow);
    sendError(response, new TercetError('method_not_allowed', { method, path }));
  };
}
